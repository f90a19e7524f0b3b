"""What holds for every test, and for the processes that tests start."""

from __future__ import annotations

import os

os.environ["MLTRACKER_CAPTURE"] = "minimal"
"""Looking at this repository in each test would take long; the tests of capture choose "full" themselves."""
