"""Work a run out again from its plan and its history, and say where the rows differ. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workflows.conf import conf
from workflows.core import decide
from workflows.core.decide import Counters
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import Reason, RunState, TaskState
from workflows.engine import plans, replay, sql
from workflows.engine.replay import Story, shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """A task execution."""

    position: int
    state: TaskState
    waiting_on: int
    failed: int
    skipped: int
    failures: int
    losses: int
    branch: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A run in one snapshot; mapped items are left out."""

    id: int
    state: RunState
    reason: str
    plan: Plan
    tasks: dict[int, Task]
    story: Story

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
       CASE WHEN jsonb_typeof(t.output) = 'object' THEN t.output ->> 'branch' END
  FROM workflows_dagrun r JOIN workflows_taskexecution t ON t.run_id = r.id AND t.map_index = -1
 WHERE r.id = %s
"""


def newest_runs(count: int | None) -> list[int]:
    """The numbers of the newest runs; None for all."""
    return [row[0] for row in sql.run("SELECT id FROM workflows_dagrun ORDER BY id DESC LIMIT %s", (count,))]


def read(run_id: int) -> Run | None:
    """The run with its tasks, or None when there is no such run or it has no tasks."""
    rows = sql.run(_RUN, (run_id,))
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
        )
        for row in rows
    }
    state, reason, version_id = rows[0][:3]
    plan = plans.plan_of(version_id)
    branches = {position: task.branch for position, task in tasks.items()}
    story = Story(run_id=run_id, plan=plan, branches=branches, told=replay.read(run_id))
    return Run(id=run_id, state=RunState(state), reason=reason, plan=plan, tasks=tasks, story=story)


def wrong_counters(run: Run) -> Iterator[dict[str, Any]]:
    """Tasks whose counters differ from a count of their upstreams."""
    if run.was_stopped:
        return
    for planned in run.plan.tasks:
        task = run.tasks.get(planned.position)
        if task is None:
            continue
        expected = _counters(run, planned)
        found = Counters(waiting_on=task.waiting_on, failed=task.failed, skipped=task.skipped)
        if found != expected:
            yield {
                "run_id": run.id,
                "task_id": planned.id,
                "found": shown(found),
                "expected": shown(expected),
            }


def _counters(run: Run, planned: PlannedTask) -> Counters:
    """The upstreams of a task, counted."""
    waiting = failed = skipped = 0
    for position in planned.upstream:
        task = run.tasks.get(position)
        if task is None or not task.state.is_final:
            waiting += 1
            continue
        more_failed, more_skipped = decide.counts_as(run.plan.tasks[position], task.state)
        failed += more_failed
        skipped += more_skipped
    return Counters(waiting_on=waiting, failed=failed, skipped=skipped)


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
