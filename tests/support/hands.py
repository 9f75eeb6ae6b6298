"""Play the worker by hand: claim and finish attempts in this process, without Celery."""

from __future__ import annotations

import uuid
from typing import Any

from workflows.core.outcome import Defer, Done, Expand, Fail, Outcome, Question, Skip, Spawn
from workflows.engine import plans, transitions
from workflows.engine.finish import Finished, finish
from workflows.engine.launch import follow_up, launch
from workflows.engine.publish import publish
from workflows.engine.rows import Claim
from workflows.models import DagRun, TaskExecution

NOOP = {"type": "shell", "command": "true"}


def dag(dag_id: str = "d", **tasks: dict[str, Any]) -> dict[str, Any]:
    """A document whose tasks are shell no-ops unless they say otherwise."""
    return {"id": dag_id, "tasks": {name: {**({} if "type" in task else NOOP), **task} for name, task in tasks.items()}}


def start(document: dict[str, Any], **options: Any) -> DagRun:
    """Publish and launch."""
    return launch(publish(document), **options)


def claim(
    run: DagRun, task_id: str, *, attempt: int | None = None, node: str = "hand", lease: float = 30, item: int = -1
) -> Claim | None:
    """Claim the current attempt of a task, or of an item of it."""
    row = TaskExecution.objects.get(run=run, task_id=task_id, map_index=item)
    number = row.attempt if attempt is None else attempt
    return transitions.claim(run.pk, row.position, item, number, token=uuid.uuid4(), node=node, lease=lease)


def held(run: DagRun, task_id: str, **options: Any) -> Claim:
    """Claim, and be sure of it."""
    found = claim(run, task_id, **options)
    assert found is not None, f"{task_id} could not be claimed: {states(run)}"
    return found


def end(claimed: Claim, outcome: Outcome) -> Finished:
    """Finish, and do what is left after the commit."""
    finished = finish(claimed, plans.plan_of(claimed.version_id), outcome, chance=0.5)
    follow_up(finished.after)
    return finished


def do(run: DagRun, task_id: str, outcome: Outcome | None = None, **options: Any) -> Finished:
    """Claim and finish in one go."""
    return end(held(run, task_id, **options), outcome or Done())


def states(run: DagRun) -> dict[str, str]:
    """The state of each task; items are left out."""
    return dict(TaskExecution.objects.filter(run=run, map_index=-1).values_list("task_id", "state"))


def items(run: DagRun, task_id: str) -> list[str]:
    """The states of a mapped task's items, in order."""
    rows = TaskExecution.objects.filter(run=run, task_id=task_id, map_index__gte=0).order_by("map_index")
    return list(rows.values_list("state", flat=True))


def admitted(run: DagRun) -> list[str]:
    """The queued tasks that a worker may claim, as task or task[item]."""
    rows = TaskExecution.objects.filter(run=run, state="queued", held=False).order_by("position", "map_index")
    return [t if m < 0 else f"{t}[{m}]" for t, m in rows.values_list("task_id", "map_index")]


def state(run: DagRun) -> str:
    """The state of the run now."""
    run.refresh_from_db()
    return str(run.state)


__all__ = [
    "NOOP",
    "Defer",
    "Done",
    "Expand",
    "Fail",
    "Question",
    "Skip",
    "Spawn",
    "admitted",
    "claim",
    "dag",
    "do",
    "end",
    "held",
    "items",
    "start",
    "state",
    "states",
]
