"""The gates of a run: its DAG, its turn, its switch, what its tasks wait for, and its end."""

from __future__ import annotations

from collections import Counter

from workflows.core.states import TaskState
from workflows.engine.explain.entry_gates import dag, switch, turn
from workflows.engine.explain.facts import Look, RunFacts, Seen, TaskFacts, blocked, passed
from workflows.engine.explain.task_gates import TASK_GATES
from workflows.engine.explain.words import MOST, listed, moment
from workflows.models import TaskExecution

_EXPLAINED = 5  # tasks of a run that are explained each
_WAITING = (TaskState.QUEUED, TaskState.RETRYING, TaskState.DEFERRED)


def tasks(facts: RunFacts) -> Seen:
    """What the unsettled tasks wait for."""
    run = facts.run
    if run.ended_at is not None:
        return passed("its tasks have settled")
    rows = TaskExecution.objects.filter(run_id=run.pk, ended_at__isnull=True).order_by("position", "map_index")
    counts = Counter(rows.order_by().values_list("state", flat=True))
    told = ", ".join(f"{counts[state]} {state}" for state in TaskState if counts[state])
    if counts[TaskState.RUNNING]:
        return passed(f"it works: {told}", tasks=dict(counts))
    if not counts:
        return blocked("every task has settled: the reconciler ends the run at its next sweep")
    waiting = list(rows.filter(state__in=_WAITING).defer("output", "item")[:_EXPLAINED])
    found = {f"{each.task_id}[{each.map_index}]" if each.map_index >= 0 else each.task_id: each for each in waiting}
    why = {name: TaskFacts(run, task).walk(TASK_GATES).says for name, task in found.items()}
    first = next(iter(why.items()), None)
    says = f"no task runs: {told}" + (f". {first[0]}: {first[1]}" if first else "")
    return blocked(says, tasks=dict(counts), waiting=why)


def end(facts: RunFacts) -> Seen:
    """How it ended."""
    run = facts.run
    if run.ended_at is None:
        return passed("the run goes on")
    at = moment(run.ended_at)
    if facts.run_state == "success":
        return passed(f"the run succeeded at {at}", ended_at=run.ended_at)
    bad = TaskExecution.objects.filter(run_id=run.pk, state=TaskState.FAILED).order_by("ended_at", "id")
    failed = list(bad.values_list("task_id", flat=True)[: MOST + 1])
    why = f" ({run.reason})" if run.reason else ""
    because = f": {listed(failed, MOST)} failed" if failed else ""
    return blocked(f"the run ended as {facts.run_state}{why} at {at}{because}", reason=run.reason, failed=failed[:MOST])


RUN_GATES: tuple[Look[RunFacts], ...] = (
    ("dag", dag),
    ("paused", switch),
    ("turn", turn),
    ("tasks", tasks),
    ("end", end),
)
