"""Where the designer shows the tasks of a version: kept with the version, and no part of its content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workflows.core import layered
from workflows.core.spec import DagSpec
from workflows.engine import plans
from workflows.models import DagVersion

Positions = Mapping[str, Sequence[float]]


def keep(version: DagVersion, positions: Positions) -> None:
    """Store positions; those of tasks that the version does not have are left out."""
    tasks = {task.id for task in plans.plan_of(version.pk).tasks}
    kept = {task: [round(x), round(y)] for task, (x, y) in positions.items() if task in tasks}
    DagVersion.objects.filter(pk=version.pk).update(layout=kept)


def drawn(spec: DagSpec, before: DagVersion | None, given: Positions | None) -> dict[str, list[int]]:
    """A place for every task of a new version: the given one, else the one of the version before it, else a new one."""
    known = {**(of(before) if before is not None else {}), **(given or {})}
    upstreams = {task.id: task.depends_on for task in spec.tasks.values()}
    return {task: list(place) for task, place in layered.completed(upstreams, known).items()}


def of(version: DagVersion) -> dict[str, list[int]]:
    """The positions that are known; tasks may be missing, and a version of before layouts were drawn has none."""
    found: dict[str, list[int]] = version.layout or {}
    return found
