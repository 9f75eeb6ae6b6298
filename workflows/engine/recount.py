"""Work a run out again from its plan and its history, and say where the rows differ. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workflows.conf import conf
from workflows.core import decide
from workflows.core.decide import Counters
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import TASK_FINAL, Reason, RunState, TaskState
from workflows.engine import plans, sql


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task execution, with the events that decided about it and that settled it (ids; None: not yet)."""

    position: int
    state: TaskState
    waiting_on: int
    failed: int
    skipped: int
    failures: int
    losses: int
    branch: str | None
    decided: str | None
    decided_at: int | None
    settled_at: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run in one snapshot; mapped items are left out."""

    id: int
    state: RunState
    reason: str
    plan: Plan
    tasks: dict[int, Task]

    @property
    def was_stopped(self) -> bool:
        """Whether a person or a deadline ended it: its tasks were cancelled, and no counter moved."""
        return self.state is RunState.CANCELLED or self.reason == Reason.RUN_TIMED_OUT

    def task_id(self, position: int) -> str:
        """The name of a task."""
        return self.plan.tasks[position].id


_RUN = """
SELECT r.state, r.reason, r.version_id,
       t.position, t.state, t.waiting_on, t.upstreams_failed, t.upstreams_skipped, t.failures, t.losses,
       CASE WHEN jsonb_typeof(t.output) = 'object' THEN t.output ->> 'branch' END,
       told.decided, told.decided_at, told.settled_at
  FROM workflows_dagrun r JOIN workflows_taskexecution t ON t.run_id = r.id AND t.map_index = -1
  LEFT JOIN (
       SELECT task_execution_id, max(new) FILTER (WHERE old = 'pending') AS decided,
              max(id) FILTER (WHERE old = 'pending') AS decided_at,
              max(id) FILTER (WHERE new = ANY (%(final)s::text[])) AS settled_at
         FROM workflows_event WHERE run_id = %(run)s GROUP BY task_execution_id
       ) told ON told.task_execution_id = t.id
 WHERE r.id = %(run)s
"""


def newest_runs(count: int) -> list[int]:
    """The numbers of the newest runs."""
    return [row[0] for row in sql.run("SELECT id FROM workflows_dagrun ORDER BY id DESC LIMIT %s", (count,))]


def read(run_id: int) -> Run | None:
    """The run with its tasks, or None when there is no such run or it has no tasks."""
    rows = sql.run(_RUN, {"run": run_id, "final": sorted(TASK_FINAL)})  # type: ignore[arg-type]
    if not rows:
        return None
    tasks = {
        row[3]: Task(
            position=row[3],
            state=TaskState(row[4]),
            waiting_on=row[5],
            failed=row[6],
            skipped=row[7],
            failures=row[8],
            losses=row[9],
            branch=row[10],
            decided=row[11],
            decided_at=row[12],
            settled_at=row[13],
        )
        for row in rows
    }
    state, reason, version_id = rows[0][:3]
    return Run(id=run_id, state=RunState(state), reason=reason, plan=plans.plan_of(version_id), tasks=tasks)


def wrong_counters(run: Run) -> Iterator[dict[str, Any]]:
    """Tasks whose counters differ from a count of their upstreams."""
    if run.was_stopped:
        return
    for planned in run.plan.tasks:
        task = run.tasks.get(planned.position)
        if task is None:
            continue
        expected = _counters(run, planned, before=None)
        found = Counters(waiting_on=task.waiting_on, failed=task.failed, skipped=task.skipped)
        if found != expected:
            yield {
                "run_id": run.id,
                "task_id": planned.id,
                "found": _shown(found),
                "expected": _shown(expected),
            }


def wrong_decisions(run: Run) -> Iterator[dict[str, Any]]:
    """Tasks that were queued, skipped or given up although their upstreams then said otherwise."""
    for planned in run.plan.tasks:
        task = run.tasks.get(planned.position)
        if task is None or task.decided_at is None or task.decided == TaskState.CANCELLED:
            continue
        counters = _counters(run, planned, before=task.decided_at)
        not_taken = _is_not_taken(run, planned, task.decided_at)
        verdict = decide.verdict_of(planned, counters, not_taken=not_taken)
        expected = verdict.state.value if verdict else "pending"
        if expected != task.decided:
            facts = {"decided": task.decided, "expected": expected, "rule": planned.rule.value}
            yield {"run_id": run.id, "task_id": planned.id, **facts, "upstreams": _shown(counters)}


def _counters(run: Run, planned: PlannedTask, *, before: int | None) -> Counters:
    """The upstreams of a task, counted; with `before`, as they stood when that event was written."""
    waiting = failed = skipped = 0
    for position in planned.upstream:
        task = run.tasks.get(position)
        if task is None or not _had_settled(task, before):
            waiting += 1
            continue
        more_failed, more_skipped = decide.counts_as(run.plan.tasks[position], task.state)
        failed += more_failed
        skipped += more_skipped
    return Counters(waiting_on=waiting, failed=failed, skipped=skipped)


def _had_settled(task: Task, before: int | None) -> bool:
    if before is None:
        return task.state.is_final
    return task.settled_at is not None and task.settled_at < before


def _is_not_taken(run: Run, planned: PlannedTask, before: int) -> bool:
    for position in planned.upstream:
        task = run.tasks.get(position)
        chooser = run.plan.tasks[position]
        if task is None or planned.position not in chooser.branches or not _had_settled(task, before):
            continue
        if task.state is TaskState.SUCCESS and task.branch != planned.id:
            return True
    return False


def _shown(counters: Counters) -> str:
    return f"{counters.waiting_on} open, {counters.failed} failed, {counters.skipped} skipped"


def wrong_run_state(run: Run) -> Iterator[dict[str, Any]]:
    """The run itself, when it ended otherwise than its tasks say."""
    if not run.state.is_final or run.was_stopped:
        return
    bad = (TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED)
    expected = decide.run_state(run.plan, [(t.position, t.state) for t in run.tasks.values() if t.state in bad])
    if expected is not run.state:
        yield {"run_id": run.id, "state": run.state.value, "expected": expected.value}


def too_many_tries(run: Run) -> Iterator[dict[str, Any]]:
    """Tasks that failed, or were lost with their workers, more often than they may be."""
    for planned in run.plan.tasks:
        task = run.tasks.get(planned.position)
        if task is None:
            continue
        if task.failures > planned.retry.max_attempts or task.losses > conf.MAX_LOST_ATTEMPTS:
            facts = {
                "failures": task.failures,
                "losses": task.losses,
                "max_attempts": planned.retry.max_attempts,
            }
            yield {"run_id": run.id, "task_id": planned.id, **facts}
