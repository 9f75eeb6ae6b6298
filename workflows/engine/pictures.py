"""What the views of runs are drawn from: a run as a whole, the last runs of a DAG, and how long they took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any, TypedDict

from workflows.core.plan import PlannedTask
from workflows.engine import plans, sql

LAST_RUNS = 20  # what an estimate is made of
CELLS = 100_000  # of a grid
_MESSAGE = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """An attempt before the current one."""

    number: int
    started_at: datetime
    ended_at: datetime | None
    end: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskPicture:
    """One task of a run; a mapped one with how many of its items are in each state."""

    id: int
    task_id: str
    name: str
    type: str
    pool: str
    upstream: tuple[int, ...]
    mapped: bool
    items: Mapping[str, int]
    state: str
    reason: str
    message: str
    attempt: int
    held: bool
    waiting_on: int
    node: str
    queued_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    next_attempt_at: datetime | None
    earlier: tuple[Bar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPicture:
    """A run, and where to follow its events from. What those tell may be in the picture already, never the reverse."""

    cursor: int
    now: datetime
    tasks: list[TaskPicture]


_NOW = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint - 1, clock_timestamp()"
_TASKS = """
SELECT position, task_id, id, state, reason, left(message, %s), attempt, held, waiting_on, node,
       queued_at, started_at, ended_at, next_attempt_at
  FROM workflows_taskexecution WHERE run_id = %s AND map_index = -1 ORDER BY position
"""
_ITEMS = """
SELECT position, state, count(*) FROM workflows_taskexecution WHERE run_id = %s AND map_index >= 0 GROUP BY 1, 2
"""
_EARLIER = """
SELECT t.position, a.number, a.started_at, a.ended_at, a.end FROM workflows_taskexecution t
  JOIN workflows_taskattempt a ON a.task_execution_id = t.id AND a.number < t.attempt
 WHERE t.run_id = %s AND t.map_index = -1 AND t.attempt > 1 ORDER BY t.position, a.number
"""


def run_picture(run_id: int, version_id: int) -> RunPicture:
    """All tasks of a run in the order of the plan, in four queries.

    A run that waits for its start has none yet: they are shown as they will be. Of a plan that another release made
    there is nothing but the tasks.
    """
    cursor, now = sql.run(_NOW)[0]
    plan = plans.readable(version_id)
    rows = {row[0]: row[1:] for row in sql.run(_TASKS, (_MESSAGE, run_id))}
    items: dict[int, dict[str, int]] = {}
    for position, state, count in sql.run(_ITEMS, (run_id,)):
        items.setdefault(position, {})[state] = count
    earlier: dict[int, list[Bar]] = {}
    for position, number, started, ended, end in sql.run(_EARLIER, (run_id,)):
        bar = Bar(number=number, started_at=started, ended_at=ended, end=end)
        earlier.setdefault(position, []).append(bar)
    drawn = [_planned(task) for task in plan.tasks] if plan else [_unplanned(rows[p][0], p in items) for p in rows]
    tasks = [
        _task(facts, rows.get(p, _NOT_YET), items.get(p, {}), earlier.get(p, ()))
        for p, facts in zip(range(len(drawn)) if plan else rows, drawn, strict=True)
    ]
    return RunPicture(cursor=cursor, now=now, tasks=tasks)


_NOT_YET = ("", 0, "pending", "", "", 0, False, 0, "", None, None, None, None)


class _Facts(TypedDict):
    task_id: str
    name: str
    type: str
    pool: str
    upstream: tuple[int, ...]
    mapped: bool


def _planned(task: PlannedTask) -> _Facts:
    return _Facts(
        task_id=task.id,
        name=task.name,
        type=task.type,
        pool=task.pool,
        upstream=task.upstream,
        mapped=task.foreach is not None,
    )


def _unplanned(task_id: str, mapped: bool) -> _Facts:
    return _Facts(task_id=task_id, name=task_id, type="", pool="", upstream=(), mapped=mapped)


def _task(facts: _Facts, row: Sequence[Any], items: Mapping[str, int], earlier: Sequence[Bar]) -> TaskPicture:
    _task_id, pk, state, reason, message, attempt, held, waiting_on, node, queued, started, ended, following = row
    return TaskPicture(
        **facts,
        id=pk,
        items=items,
        state=state,
        reason=reason,
        message=message,
        attempt=attempt,
        held=held,
        waiting_on=waiting_on,
        node=node,
        queued_at=queued,
        started_at=started,
        ended_at=ended,
        next_attempt_at=following,
        earlier=tuple(earlier),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How long runs of a DAG took that succeeded: seconds. None where there are none."""

    runs: int
    p50: float | None
    p95: float | None
    tasks: Mapping[str, float]  # the median of each task


_LAST = """
SELECT id, extract(epoch FROM ended_at - started_at)::float8 FROM workflows_dagrun
 WHERE dag_id = %s AND state = 'success' AND deleted_at IS NULL AND id <> %s ORDER BY id DESC LIMIT %s
"""
_MEDIANS = """
SELECT task_id, percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM ended_at - started_at)::float8)
  FROM workflows_taskexecution
 WHERE run_id = ANY(%s::bigint[]) AND map_index = -1 AND state = 'success' AND started_at IS NOT NULL
 GROUP BY task_id
"""


def estimate(dag_pk: int, run_id: int) -> Estimate:
    """What the last LAST_RUNS successful runs of the run's DAG took, without the run itself."""
    last: dict[int, float] = dict(sql.run(_LAST, (dag_pk, run_id, LAST_RUNS)))
    seconds = sorted(last.values())
    return Estimate(
        runs=len(last),
        p50=median(seconds) if seconds else None,
        p95=seconds[round(0.95 * (len(seconds) - 1))] if seconds else None,
        tasks=dict(sql.run(_MEDIANS, (list(last),))) if last else {},
    )


def grid(runs: Mapping[int, int]) -> tuple[list[str], dict[int, list[str | None]]]:
    """Of runs (id to version, newest first): the tasks, and the state of each in each run (None: the run has it not).

    The tasks are in the order of the newest version's plan, then of the others', then those of unreadable plans.
    """
    tasks: dict[str, int] = {}
    for version in dict.fromkeys(runs.values()):
        plan = plans.readable(version)
        for task in plan.tasks if plan else ():
            tasks.setdefault(task.id, len(tasks))
    found = sql.run(_CELLS, (list(runs),))
    for _run, task_id, _state in found:
        tasks.setdefault(task_id, len(tasks))
    cells: dict[int, list[str | None]] = {run: [None] * len(tasks) for run in runs}
    for run, task_id, state in found:
        cells[run][tasks[task_id]] = state
    return list(tasks), cells


_CELLS = """
SELECT run_id, task_id, state FROM workflows_taskexecution
 WHERE run_id = ANY(%s::bigint[]) AND map_index = -1 ORDER BY run_id DESC, position
"""
