"""Play a run's events again, in their order, and say where something was decided or started that may not have been."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from workflows.core import decide
from workflows.core.decide import Counters
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import Reason, TaskState
from workflows.engine import sql

DECIDED = (TaskState.QUEUED, TaskState.SKIPPED, TaskState.UPSTREAM_FAILED)
# What becomes of a task in another way than by its rule: by hand, or as an item of a mapped task.
BY_HAND = (Reason.MARKED_BY_USER, Reason.CLEARED_BY_USER, Reason.ITEM_GONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """One event of a task or of an item, in the order of their ids."""

    id: int
    position: int
    map_index: int
    attempt: int
    old: TaskState
    new: TaskState
    reason: str
    gated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """What was told of a run's tasks, its plan, and the branch that each task with branches chose last."""

    run_id: int
    plan: Plan
    branches: dict[int, str | None]
    told: tuple[Told, ...]


_TOLD = """
SELECT e.id, t.position, t.map_index, e.attempt, e.old, e.new, e.reason, t.gated
  FROM workflows_event e JOIN workflows_taskexecution t ON t.id = e.task_execution_id
 WHERE e.run_id = %s ORDER BY e.id
"""


def read(run_id: int) -> tuple[Told, ...]:
    """The events of a run's tasks."""
    return tuple(
        Told(
            id=key,
            position=position,
            map_index=index,
            attempt=attempt,
            old=TaskState(old),
            new=TaskState(new),
            reason=reason,
            gated=gated,
        )
        for key, position, index, attempt, old, new, reason, gated in sql.run(_TOLD, (run_id,))
    )


def wrong_decisions(story: Story) -> Iterator[dict[str, Any]]:
    """Tasks that were queued, skipped or given up although their upstreams then said otherwise."""
    stands: dict[int, TaskState] = {}
    moved = {event.position: event.id for event in story.told if event.map_index < 0}  # last, of each
    for event in story.told:
        if event.map_index >= 0:
            continue
        if event.old is TaskState.PENDING and event.new in DECIDED and event.reason not in BY_HAND:
            yield from _wrong(story, event, stands, moved)
        stands[event.position] = event.new


def _wrong(story: Story, event: Told, stands: dict[int, TaskState], moved: dict[int, int]) -> Iterator[dict[str, Any]]:
    planned = story.plan.tasks[event.position]
    choosers = [p for p in planned.upstream if planned.position in story.plan.tasks[p].branches and p in stands]
    if any(stands[p] is TaskState.SUCCESS and moved[p] > event.id for p in choosers):
        return  # it was opened again since, and what it chose then is not known any more
    counters = _counters(story.plan, planned, stands)
    not_taken = any(stands[p] is TaskState.SUCCESS and (story.branches[p] or "") != planned.id for p in choosers)
    verdict = decide.verdict_of(planned, counters, not_taken=not_taken)
    expected = verdict.state if verdict else TaskState.PENDING
    if expected is not event.new:
        yield {
            "run_id": story.run_id,
            "task_id": planned.id,
            "event": event.id,
            "decided": event.new.value,
            "expected": expected.value,
            "rule": planned.rule.value,
            "upstreams": shown(counters),
        }


def _counters(plan: Plan, planned: PlannedTask, stands: dict[int, TaskState]) -> Counters:
    waiting = failed = skipped = 0
    for position in planned.upstream:
        state = stands.get(position, TaskState.PENDING)
        if not state.is_final:
            waiting += 1
            continue
        more_failed, more_skipped = decide.counts_as(plan.tasks[position], state)
        failed += more_failed
        skipped += more_skipped
    return Counters(waiting_on=waiting, failed=failed, skipped=skipped)


def shown(counters: Counters) -> str:
    """Counters in words."""
    return f"{counters.waiting_on} open, {counters.failed} failed, {counters.skipped} skipped"


def exceeded_limits(story: Story) -> Iterator[dict[str, Any]]:
    """Moments at which more tasks of the run, or items of a mapped task, ran than may at one time."""
    running: Counter[int] = Counter()  # by position, items only
    in_all = 0
    most = story.plan.max_parallel
    for event in story.told:
        if TaskState.RUNNING not in (event.old, event.new) or not event.gated:
            continue
        step = 1 if event.new is TaskState.RUNNING else -1
        in_all += step
        task = story.plan.tasks[event.position]
        facts = {"run_id": story.run_id, "task_id": task.id, "event": event.id}
        if step > 0 and most is not None and in_all > most:
            yield {**facts, "running": in_all, "max_parallel_tasks": most}
        if event.map_index >= 0:
            running[event.position] += step
            if step > 0 and task.foreach_limit is not None and running[event.position] > task.foreach_limit:
                yield {**facts, "running": running[event.position], "foreach_concurrency": task.foreach_limit}


AGAIN = (TaskState.QUEUED, TaskState.RETRYING)


def run_twice(story: Story) -> Iterator[dict[str, Any]]:
    """Tasks that may be tried once, and were to be tried again though nobody opened them."""
    for event in story.told:
        task = story.plan.tasks[event.position]
        if task.at_most_once and event.old is TaskState.RUNNING and event.new in AGAIN:
            yield {"run_id": story.run_id, "task_id": task.id, "event": event.id, "reason": event.reason}
