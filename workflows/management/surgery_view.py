"""What a surgery touches, as text and as data."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.core.states import TaskState
from workflows.engine.surgery import Touched
from workflows.management import text
from workflows.management.run_view import mark_of

SHOWN = 60


def add_on_version(parser: CommandParser) -> None:
    """`--on-version N`: what was mended in a newer version runs in the run that it broke."""
    parser.add_argument(
        "--on-version",
        type=int,
        metavar="N",
        help="go on with this version of the DAG, of the same tasks and edges; only of a run that is over",
    )


def lines(touched: Touched, *, preview: bool, marked: TaskState | None = None) -> list[str]:
    """What is run again and what is settled by hand, each with the state before; no more than SHOWN of them."""
    rows = [
        *((name, state, f"marked {marked.value}" if marked else "marked") for name, state in touched.marks.items()),
        *((name, state, "runs again") for name, state in touched.reset.items()),
        *((name, state, "runs again") for name, state in touched.items.items()),
    ]
    drawn = [[mark_of(TaskState(state)), name, state, what] for name, state, what in rows[:SHOWN]]
    more = len(rows) - SHOWN
    return [
        _title(touched, preview=preview),
        "",
        *text.table(["", "task", "was", "then"], drawn),
        *([f"and {text.counted(more, 'more task')}"] if more > 0 else []),
        *(["", "nothing was changed: this was a preview"] if preview else []),
    ]


def _title(touched: Touched, *, preview: bool) -> str:
    verb = "would be touched" if preview else "touched"
    count = text.counted(touched.count, "task")
    moved = f", with version {touched.version}" if touched.version is not None else ""
    return f"run {touched.run_id} ({touched.run_state.value}): {count} {verb}{moved}, {touched.kept:,} stay as they are"


def as_json(touched: Touched, *, preview: bool) -> dict[str, Any]:
    """The same as data, whole."""
    return {
        "run": touched.run_id,
        "state": touched.run_state.value,
        "preview": preview,
        "count": touched.count,
        "marks": touched.marks,
        "reset": touched.reset,
        "items": touched.items,
        "kept": touched.kept,
        "version": touched.version,
    }
