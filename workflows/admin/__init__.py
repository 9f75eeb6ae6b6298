"""The admin: every table readable, and actions that go through the engine. Nothing here writes a state."""

from __future__ import annotations

from workflows.admin import approval, backfill, callback, definition, event_log, resource, run, schedule, task, template

__all__ = [
    "approval",
    "backfill",
    "callback",
    "definition",
    "event_log",
    "resource",
    "run",
    "schedule",
    "task",
    "template",
]
