"""The gates of a task: what the run allows, its upstreams and its rule, what it waits for, and how it settled."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from workflows.core import decide
from workflows.core.decide import Counters
from workflows.core.states import Reason, TaskState
from workflows.engine import sql
from workflows.engine.explain import delivery, limits
from workflows.engine.explain.entry_gates import dag, switch, turn
from workflows.engine.explain.facts import Look, Seen, TaskFacts, blocked, passed
from workflows.engine.explain.words import MOST, listed, many, moment, span
from workflows.models import Approval, DagRun, TaskExecution

_RULED = (Reason.UPSTREAM_FAILED, Reason.UPSTREAM_SKIPPED, Reason.RULE_NOT_MET)


def task_switch(facts: TaskFacts) -> Seen:
    """The run's pause, which does not hold what has started or settled."""
    if facts.task_state in (TaskState.PENDING, TaskState.QUEUED, TaskState.RETRYING):
        return switch(facts)
    return passed("a pause of the run does not hold it any more")


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """An upstream task as it stands."""

    position: int
    task_id: str
    state: TaskState
    reason: str
    branch: str | None

    def __str__(self) -> str:
        return f"{self.task_id} is {self.state.value}"


_ABOVE = """
SELECT position, task_id, state, reason, CASE WHEN jsonb_typeof(output) = 'object' THEN output ->> 'branch' END
  FROM workflows_taskexecution WHERE run_id = %s AND position = ANY(%s::int[]) AND map_index = -1 ORDER BY position
"""


def _above(facts: TaskFacts) -> list[Above]:
    rows = sql.run(_ABOVE, (facts.run.pk, list(facts.planned.upstream)))
    return [Above(position=p, task_id=t, state=TaskState(s), reason=r, branch=b) for p, t, s, r, b in rows]


def upstreams(facts: TaskFacts) -> Seen:
    """Whether the upstreams let it start: the engine's own verdict on the stored counters."""
    planned, task = facts.planned, facts.task
    rule = planned.rule.value
    if facts.is_item:
        return passed("it is an item of a mapped task, and waits for no task by itself")
    if not planned.upstream:
        return passed("it has no upstream tasks")
    above = _above(facts)
    data = {
        "rule": rule,
        "waiting_on": task.waiting_on,
        "failed": task.upstreams_failed,
        "skipped": task.upstreams_skipped,
        "upstreams": {each.task_id: each.state.value for each in above[:100]},
    }
    if facts.task_state is TaskState.PENDING:
        return _undecided(facts, above, data)
    if task.reason in _RULED and facts.task_state in (TaskState.UPSTREAM_FAILED, TaskState.SKIPPED):
        return _ruled_out(facts, above, data)
    return passed(f"of its {many(len(planned.upstream), 'upstream')}, enough have settled for {rule}", **data)


def _undecided(facts: TaskFacts, above: list[Above], data: dict[str, Any]) -> Seen:
    planned, task = facts.planned, facts.task
    counters = Counters(waiting_on=task.waiting_on, failed=task.upstreams_failed, skipped=task.upstreams_skipped)
    verdict = decide.verdict_of(planned, counters, not_taken=bool(_chooser(facts, above)))
    data["verdict"] = verdict.state.value if verdict else None
    if verdict is not None:
        return blocked(
            f"its upstreams have settled and {planned.rule.value} makes it {verdict.state.value}: "
            "the reconciler moves it at its next sweep",
            **data,
        )
    open_ones = [str(each) for each in above if not each.state.is_final]
    total = len(planned.upstream)
    says = f"it waits for {task.waiting_on} of {many(total, 'upstream')} ({planned.rule.value}): "
    return blocked(says + listed(open_ones, MOST), **data)


def _ruled_out(facts: TaskFacts, above: list[Above], data: dict[str, Any]) -> Seen:
    bad = [
        str(each) + (f" ({each.reason})" if each.reason else "")
        for each in above
        if each.state is not TaskState.SUCCESS
        and (facts.task.reason != Reason.UPSTREAM_FAILED or each.state is not TaskState.SKIPPED)
    ]
    how = f"its rule {facts.planned.rule.value} can no longer be met" if bad else "its rule was not met"
    because = f": {listed(bad, MOST)}" if bad else ": no upstream ended as it asks"
    return blocked(f"it is {facts.task_state.value}, since {how}{because}", **data)


def branch(facts: TaskFacts) -> Seen:
    """Whether a conditional above chose another task."""
    if facts.is_item or facts.task.reason != Reason.BRANCH_NOT_TAKEN:
        return passed("no branch leaves it out")
    chooser = next(iter(_chooser(facts, _above(facts))), None)
    if chooser is None:
        return blocked("a branch was taken that leaves it out")
    chosen = chooser.branch or "neither"
    return blocked(f"{chooser.task_id} chose {chosen}, not this task", chooser=chooser.task_id, chosen=chooser.branch)


def _chooser(facts: TaskFacts, above: list[Above]) -> list[Above]:
    """The conditionals that have decided against the task."""
    planned = facts.planned
    return [
        each
        for each in above
        if planned.position in facts.plan.tasks[each.position].branches
        and each.state is TaskState.SUCCESS
        and each.branch is not None
        and each.branch != planned.id
    ]


def retry(facts: TaskFacts) -> Seen:
    """Whether it waits for its next try."""
    task, most = facts.task, facts.planned.retry.max_attempts
    if facts.task_state is not TaskState.RETRYING:
        return passed("it waits for no retry")
    due = task.next_attempt_at
    assert due is not None, "the check task_sound: a retrying task is due at some time"
    failed = f"attempt {task.attempt} failed ({task.reason}), {task.failures} of {most} tries are used"
    data = {"due_at": due, "failures": task.failures, "max_attempts": most, "message": task.message[:500]}
    if due > facts.now:
        return blocked(f"{failed}; the next is due in {span(facts.since(due))}, at {moment(due)}", **data)
    return blocked(f"{failed}; the next is due since {span(facts.since(due))}{delivery.sweeping()}", **data)


def deferral(facts: TaskFacts) -> Seen:
    """What it waits for without holding a worker."""
    if facts.task_state is not TaskState.DEFERRED:
        return passed("it is not deferred")
    for look in (_for_items, _for_child, _for_answer):
        if found := look(facts):
            return blocked(found[0], **found[1])
    return _for_the_time(facts)


def _for_the_time(facts: TaskFacts) -> Seen:
    wake, message = facts.task.wake_at, facts.task.message[:500]
    what = f"it waits ({message})" if message else "it waits"
    if wake is None:
        return blocked(f"{what} for something outside, and is woken from there", message=message)
    away = span(facts.since(wake))
    if wake > facts.now:
        return blocked(f"{what} for {away} more, until {moment(wake)}", wake_at=wake, message=message)
    return blocked(f"{what}; the time came {away} ago{delivery.sweeping()}", wake_at=wake, message=message)


def _for_items(facts: TaskFacts) -> tuple[str, dict[str, Any]] | None:
    if facts.is_item:
        return None
    items = TaskExecution.objects.filter(run_id=facts.run.pk, position=facts.task.position, map_index__gte=0)
    counts = Counter(items.values_list("state", flat=True))
    if not counts:
        return None
    done = sum(count for state, count in counts.items() if TaskState(state).is_final)
    told = ", ".join(f"{counts[state]} {state}" for state in TaskState if counts[state])
    return f"it waits for its items: {done} of {sum(counts.values())} have settled ({told})", {"items": dict(counts)}


def _for_child(facts: TaskFacts) -> tuple[str, dict[str, Any]] | None:
    child = DagRun.objects.filter(parent_id=facts.task.pk).select_related("dag").order_by("-id").first()
    if child is None:
        return None
    data = {"child_run": child.pk, "child_state": child.state}
    if child.ended_at is None:
        return f"it waits for run {child.pk} of {child.dag.dag_id}, which is {child.state}", data
    return f"run {child.pk} of {child.dag.dag_id} has ended{delivery.sweeping()}", data


def _for_answer(facts: TaskFacts) -> tuple[str, dict[str, Any]] | None:
    asked = Approval.objects.filter(task_execution_id=facts.task.pk, attempt=facts.task.attempt).first()
    if asked is None:
        return None
    who = listed([*asked.users, *(f"group {name}" for name in asked.groups)], MOST)
    data = {"approval": asked.pk, "users": asked.users, "groups": asked.groups, "asked_at": asked.created_at}
    if asked.answered_at is not None:
        return f"its question was answered{delivery.sweeping()}", data
    whom = who if who != "none" else "whoever may operate runs"
    return f"it waits for an answer from {whom}, since {moment(asked.created_at)}", data


def settled(facts: TaskFacts) -> Seen:
    """How it ended, if it did."""
    task, state = facts.task, facts.task_state
    if not state.is_final:
        return passed("it has not settled")
    at = f" at {moment(task.ended_at)}" if task.ended_at else ""
    if state is TaskState.SUCCESS:
        return passed(f"it succeeded{at}", ended_at=task.ended_at)
    why = f" ({task.reason})" if task.reason else ""
    told = f": {task.message[:500]}" if task.message else ""
    data = {"reason": task.reason, "message": task.message[:4000], "ended_at": task.ended_at, "attempt": task.attempt}
    return blocked(f"it ended as {state.value}{why}{at}{told}", **data)


TASK_GATES: tuple[Look[TaskFacts], ...] = (
    ("dag", dag),
    ("paused", task_switch),
    ("turn", turn),
    ("upstreams", upstreams),
    ("branch", branch),
    ("retry", retry),
    ("deferred", deferral),
    ("limits", limits.look),
    ("broker", delivery.broker_gate),
    ("workers", delivery.workers),
    ("message", delivery.message),
    ("running", delivery.running),
    ("settled", settled),
)
