"""The only code that writes a state (an architecture test keeps it so), by the kind of move.

Every move is one guarded UPDATE whose row count says who won, with its event in the same statement. A lost race is not
an error: the functions return None, False or fewer rows. Times are PostgreSQL's.
"""

from __future__ import annotations

from workflows.engine.transitions.claims import Released, claim, claimed_with, release
from workflows.engine.transitions.hot import renew, succeed
from workflows.engine.transitions.joins import count_down, resolve, undecided
from workflows.engine.transitions.lateness import tell_late
from workflows.engine.transitions.moves import cancel_tasks, move_run, move_task, requeue
from workflows.engine.transitions.start import TaskRow, admit, expand, start_run
from workflows.engine.transitions.surgery import adopt, mark, recount, refit, reopen, retry_items
from workflows.engine.transitions.text import MESSAGE_MAX, json_text
from workflows.engine.transitions.waits import defer

__all__ = [
    "MESSAGE_MAX",
    "Released",
    "TaskRow",
    "admit",
    "adopt",
    "cancel_tasks",
    "claim",
    "claimed_with",
    "count_down",
    "defer",
    "expand",
    "json_text",
    "mark",
    "move_run",
    "move_task",
    "recount",
    "refit",
    "release",
    "renew",
    "reopen",
    "requeue",
    "resolve",
    "retry_items",
    "start_run",
    "succeed",
    "tell_late",
    "undecided",
]
