"""What a session is: the facts about this process that its first event carries, known within milliseconds."""

from __future__ import annotations

import os
import platform
import secrets
import socket
import sys
from pathlib import PurePath
from typing import Any, Literal

from mltracker.capture.command import folder_at_start, readable, script, script_facts, started
from mltracker.capture.environment import variables
from mltracker.events import redaction

Capture = Literal["off", "minimal", "full"]
"""How much is told: nothing, what runs on what, or all that is needed to run it again."""

RUN = secrets.token_hex(8)
"""Of this process and of those forked from it: their sessions belong together."""

noted: dict[str, Any] = {}
"""What the program told about itself, such as its seeds; see `description.note`."""


def facts(capture: Capture = "full") -> dict[str, Any]:
    """The fields of SessionStarted: command, host, pid and environment. Never raises."""
    where = {"host": readable(socket.gethostname()), "pid": os.getpid()}
    if capture == "off":
        return {**where, "environment": {"capture": "off", "run": RUN}}
    environment = {**_platform(), "capture": capture, "run": RUN}
    if capture == "full":
        try:
            return {**where, **_whole(environment)}
        except Exception as error:  # noqa: BLE001 - told, not raised into the training
            environment["describing_failed"] = f"{type(error).__name__}: {error}"
    environment["started_as"] = started().how
    return {**where, "command": _script_name(), "environment": environment}


def _platform() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "system": platform.system(),
        "release": platform.release(),
        "machine": platform.machine(),
    }


def _whole(environment: dict[str, Any]) -> dict[str, Any]:
    found = started()
    command = redaction.command(found.command)
    file = script(found)
    return {
        "command": command,
        "environment": {
            **environment,
            "started_as": found.how,
            "executable": readable(sys.executable or ""),
            "cwd": readable(str(folder_at_start(found))),
            "variables": variables(),
            **({"script": script_facts(file)} if file is not None else {}),
            **({"arguments_redacted": True} if command != found.command else {}),
            **noted,
        },
    }


def _script_name() -> list[str]:
    """Arguments may hold secrets."""
    name = PurePath(sys.argv[0]).name if sys.argv and sys.argv[0] else ""
    return [readable(name)] if name else []
