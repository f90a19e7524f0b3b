"""The clone that all end-to-end tests of a process share."""

from __future__ import annotations

import pytest

from tests.end_to_end.project import Project, clean_clone


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return clean_clone(tmp_path_factory.mktemp("project"))
