"""What an operator's surgery on a run touches: which tasks are opened again, which are settled by hand. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from workflows.core import graph
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import Reason, TaskState

_DID_NOT_SUCCEED = (TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED)
_ACTIVE = (TaskState.QUEUED, TaskState.RUNNING, TaskState.DEFERRED, TaskState.RETRYING)
_BY_RULE = (Reason.UPSTREAM_SKIPPED, Reason.RULE_NOT_MET, Reason.BRANCH_NOT_TAKEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task of the run, as it stands; items are not among them."""

    state: TaskState
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """What is to be done, by position.

    `reset` tasks are opened again and wait for their upstreams anew; of the mapped tasks in `items` only the items
    that did not succeed; `marks` are settled by hand. `in_the_way` are tasks that are at work now and would have to be
    opened: the surgery is refused because of them.
    """

    reset: frozenset[int] = frozenset()
    items: frozenset[int] = frozenset()
    marks: Mapping[int, TaskState] = field(default_factory=dict)
    in_the_way: tuple[int, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (self.reset or self.items or self.marks)


def retry(plan: Plan, rows: Mapping[int, Row]) -> Cut:
    """Open what did not succeed, and all that follows from it. Of a mapped task, only the items that did not."""
    failed = {p for p, row in rows.items() if row.state in _DID_NOT_SUCCEED}
    below = _below(plan, failed)
    # One below another failure is opened whole: what it is mapped over may be another list by then.
    items = {p for p in failed - below if rows[p].reason == Reason.ITEMS_FAILED}
    return _cut(plan, rows, (failed - items) | below, items)


def clear(plan: Plan, rows: Mapping[int, Row], positions: Iterable[int], *, downstream: bool, upstream: bool) -> Cut:
    """Open the given tasks, with those below and above them if asked, whatever became of them."""
    chosen = set(positions)
    wanted = set(chosen)
    if downstream:
        wanted |= _below(plan, chosen)
    if upstream:
        wanted |= _above(plan, chosen)
    return _cut(plan, rows, wanted, set())


def mark(plan: Plan, rows: Mapping[int, Row], positions: Iterable[int], to: TaskState) -> Cut:
    """Settle the given tasks by hand, and open those below that never ran because of how they had settled."""
    marks = {p: to for p in positions if rows[p].state is not to}
    reset: set[int] = set()
    todo = list(marks)
    while todo:
        for below in plan.tasks[todo.pop()].downstream:
            if below not in reset and below not in marks and _never_ran(rows[below]):
                reset.add(below)
                todo.append(below)
    return Cut(reset=frozenset(reset), marks=marks)


def misfit(old: Plan, new: Plan) -> str:
    """Why a run of the old plan cannot go on by the new one, in words; "" if it can.

    What has settled was decided by the old plan's edges and rules, so these must be the same; everything else of a task
    (its parameters, condition, retries, timeout, pool) may differ.
    """
    lost, found = old.by_id.keys() - new.by_id.keys(), new.by_id.keys() - old.by_id.keys()
    if lost:
        return f"task {min(lost)!r} is no longer there"
    if found:
        return f"task {min(found)!r} is new"
    for mine, theirs in zip(old.tasks, new.tasks, strict=True):
        if mine.id != theirs.id:
            return f"{theirs.id!r} stands where {mine.id!r} stood"
        if differs := [name for name, part in _SHAPE.items() if part(mine) != part(theirs)]:
            return f"task {mine.id!r} has another {differs[0]}"
    return ""


_SHAPE: Mapping[str, Callable[[PlannedTask], object]] = {
    "depends_on": lambda task: task.upstream,
    "choice between branches": lambda task: task.branches,
    "trigger_rule": lambda task: task.rule,
    "allow_failure": lambda task: task.allow_failure,
    "foreach (it had one, or had none)": lambda task: task.foreach is None,
}


def _never_ran(row: Row) -> bool:
    return row.state in (TaskState.UPSTREAM_FAILED, TaskState.CANCELLED) or (
        row.state is TaskState.SKIPPED and row.reason in _BY_RULE
    )


def _cut(plan: Plan, rows: Mapping[int, Row], wanted: set[int], items: set[int]) -> Cut:
    active = tuple(sorted(p for p in wanted if p in rows and rows[p].state in _ACTIVE))
    reset = frozenset(p for p in wanted if p in rows and rows[p].state.is_final)
    return Cut(reset=reset, items=frozenset(items), in_the_way=active)


def _below(plan: Plan, positions: Iterable[int]) -> set[int]:
    return graph.reachable({task.position: task.downstream for task in plan.tasks}, positions)


def _above(plan: Plan, positions: Iterable[int]) -> set[int]:
    return graph.reachable({task.position: task.upstream for task in plan.tasks}, positions)
