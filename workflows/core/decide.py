"""What follows from settled tasks, on their neighbourhood only. Pure.

The engine applies `deltas` to the counters of the downstream tasks, reads the counters back, and asks `verdict_of`
for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from workflows.core.joins import RUN_IT, TriggerRule, Upstreams, Verdict, verdict
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import Reason, RunState, TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """How a task settled. `branch` is the id of the task that it chose ("": none of them; None: it does not choose)."""

    state: TaskState
    branch: str | None = None


@dataclass(slots=True)
class Delta:
    """What settled upstreams change in the counters of one task."""

    settled: int = 0
    failed: int = 0
    skipped: int = 0


@dataclass(slots=True)
class Wave:
    """What one wave of settled tasks does to the tasks below them, by position."""

    deltas: dict[int, Delta] = field(default_factory=dict)
    not_taken: set[int] = field(default_factory=set)


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """The counters of one waiting task, as stored."""

    waiting_on: int
    failed: int
    skipped: int


def wave_of(plan: Plan, settled: Mapping[int, Settled]) -> Wave:
    """Sum up what the settled tasks (by position) do to their downstream."""
    wave = Wave()
    for position, result in settled.items():
        task = plan.tasks[position]
        failed, skipped = counts_as(task, result.state)
        for below in task.downstream:
            delta = wave.deltas.setdefault(below, Delta())
            delta.settled += 1
            delta.failed += failed
            delta.skipped += skipped
        wave.not_taken.update(_not_taken(plan, task, result))
    return wave


def counts_as(task: PlannedTask, state: TaskState) -> tuple[int, int]:
    """(failed, skipped) that a settled task adds downstream: a failure that is allowed counts as a success."""
    if state is TaskState.FAILED:
        return (0 if task.allow_failure else 1), 0
    if state in (TaskState.UPSTREAM_FAILED, TaskState.CANCELLED):
        return 1, 0
    return 0, int(state is TaskState.SKIPPED)


def _not_taken(plan: Plan, task: PlannedTask, result: Settled) -> Iterable[int]:
    if result.branch is None or result.state is not TaskState.SUCCESS:
        return ()
    return (p for p in task.branches if plan.tasks[p].id != result.branch)


def verdict_of(task: PlannedTask, counters: Counters, *, not_taken: bool) -> Verdict | None:
    """What becomes of a pending task; None while that is open.

    A branch not taken is skipped at once. A branch that may still be left out never starts early, whatever its
    rule: the end of a run must not depend on which of two upstreams was faster.
    """
    if not_taken and task.rule is not TriggerRule.ALWAYS:
        return Verdict(TaskState.SKIPPED, Reason.BRANCH_NOT_TAKEN)
    if counters.waiting_on and not task.eager:
        return None
    return verdict(
        task.rule,
        Upstreams(
            total=len(task.upstream), waiting=counters.waiting_on, failed=counters.failed, skipped=counters.skipped
        ),
    )


def run_state(plan: Plan, failed: Iterable[tuple[int, TaskState]]) -> RunState:
    """The final state of a run whose tasks have all settled, from its failed tasks: (position, state).

    A run fails when a leaf failed without being allowed to, or never ran because something above it failed.
    """
    for position, state in failed:
        task = plan.tasks[position]
        if not task.downstream and counts_as(task, state)[0]:
            return RunState.FAILED
    return RunState.SUCCESS


__all__ = ["RUN_IT", "Counters", "Delta", "Settled", "Wave", "counts_as", "run_state", "verdict_of", "wave_of"]
