"""What changed in a DAG, as text for terminals and as data for --json."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from workflows.core.diff import Difference
from workflows.management.command import EngineCommand


def lines(difference: Difference) -> Iterator[str]:
    """What changed, task by task, then in the settings of the DAG."""
    yield from (f"  + {task}" for task in difference.added)
    yield from (f"  - {task}" for task in difference.removed)
    yield from (f"  ~ {task.id}: {', '.join(change.path for change in task.changes)}" for task in difference.changed)
    yield from (f"  ~ {change.path}" for change in difference.settings)


def data(difference: Difference) -> dict[str, Any]:
    """The same for programs."""
    return {"summary": difference.summary, **asdict(difference)}


def write(command: EngineCommand, what: str, difference: Difference) -> None:
    """A line of counts, the tasks, and the text."""
    command.stdout.write(f"{what}: {difference.summary}")
    for line in lines(difference):
        command.stdout.write(line)
    if difference.text:
        command.stdout.write("\n" + difference.text, ending="")
    elif difference.too_long:
        command.stderr.write("The texts differ in too many lines to be shown.")
