"""What a session is: the facts about this process that its first event carries."""

from __future__ import annotations

import os
import platform
import socket
import sys
from pathlib import PurePath
from typing import Any


def facts() -> dict[str, Any]:
    """command, host, pid and environment. Of the command only the script's name: arguments may hold secrets."""
    return {
        "command": _command(),
        "host": _readable(socket.gethostname()),
        "pid": os.getpid(),
        "environment": {
            "python": platform.python_version(),
            "implementation": platform.python_implementation(),
            "system": platform.system(),
            "release": platform.release(),
            "machine": platform.machine(),
        },
    }


def _command() -> list[str]:
    script = PurePath(sys.argv[0]).name if sys.argv and sys.argv[0] else ""
    return [_readable(script)] if script else []


def _readable(text: str) -> str:
    """File names may hold bytes that are no text."""
    return text.encode(errors="surrogateescape").decode(errors="replace")
