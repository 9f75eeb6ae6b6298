"""What an earlier life may have left when both the supervisor and its guardian were killed."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

from orchestrator.standalone.console import Console
from orchestrator.standalone.errors import CannotStart
from orchestrator.standalone.guardian import descendants, kill_tree, started_at

_SERVER_SECONDS = 30.0


def stop(running: dict[str, Any], console: Console) -> None:
    """Stop what still lives of the state file's `running` entry. The caller holds the home's lock."""
    children: dict[str, dict[str, Any]] = running.get("children") or {}
    living = {name: it for name, it in children.items() if it["pid"] and started_at(it["pid"]) == it["started"]}
    for name, it in living.items():
        console.say(f"stopping {name} (process {it['pid']}), left from an earlier run")
        if not it["server"]:
            kill_tree(it["pid"], descendants(it["pid"]))
    for name, it in living.items():
        if it["server"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(it["pid"], it["signal"])
            _await_end(name, it)


def _await_end(name: str, it: dict[str, Any]) -> None:
    deadline = time.monotonic() + _SERVER_SECONDS
    while started_at(it["pid"]) == it["started"]:
        if time.monotonic() > deadline:
            raise CannotStart(
                f"A {name} left from an earlier run (process {it['pid']}) does not stop: end it, then start again."
            )
        time.sleep(0.05)
