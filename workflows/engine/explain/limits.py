"""The gate of limits: slots of the pool, parallel tasks of the run, parallel items of a mapped task."""

from __future__ import annotations

from typing import Any

from django.db.models import Sum

from workflows.core.states import TaskState
from workflows.engine.explain.facts import Seen, TaskFacts, blocked, passed
from workflows.models import NodePool, TaskExecution


def look(facts: TaskFacts) -> Seen:
    """Whether a limit holds a queued task back; each limit that applies with what is used of it."""
    if facts.task_state is not TaskState.QUEUED:
        return passed("no limit holds it")
    if not facts.task.gated:
        return passed("it is subject to no limit")
    used = [found for found in (_pool(facts), _run(facts), _items(facts)) if found]
    data = {name: {"used": count, "limit": limit} for name, count, limit in used}
    told = ", ".join(f"{name} {count} of {limit}" for name, count, limit in used)
    if not facts.task.held:
        return passed(f"the limits let it through ({told})" if told else "the limits let it through", **data)
    full = [name for name, count, limit in used if count >= limit]
    if not full:
        return blocked(f"it is held, and its turn comes when the reconciler looks again ({told})", **data)
    return blocked(f"it waits for room: {told}; what holds it is {' and '.join(full)}", **data)


Used = tuple[str, int, int]


def _taken(**where: Any) -> int:
    """Slots of what may run now: running, or queued and let through."""
    rows = TaskExecution.objects.filter(gated=True, held=False, **where)
    active = rows.filter(state__in=(TaskState.QUEUED, TaskState.RUNNING))
    return int(active.aggregate(slots=Sum("slots"))["slots"] or 0)


def _pool(facts: TaskFacts) -> Used | None:
    name = facts.planned.pool
    limit = NodePool.objects.filter(name=name).values_list("slots", flat=True).first()
    return None if limit is None else (f"pool {name}", _taken(queue=facts.task.queue), limit)


def _run(facts: TaskFacts) -> Used | None:
    limit = facts.plan.max_parallel
    if limit is None:
        return None
    rows = TaskExecution.objects.filter(run_id=facts.run.pk, held=False)
    return "max_parallel_tasks", rows.filter(state__in=(TaskState.QUEUED, TaskState.RUNNING)).count(), limit


def _items(facts: TaskFacts) -> Used | None:
    limit = facts.planned.foreach_limit
    if limit is None or not facts.is_item:
        return None
    rows = TaskExecution.objects.filter(run_id=facts.run.pk, position=facts.task.position, map_index__gte=0, held=False)
    return "foreach_concurrency", rows.filter(state__in=(TaskState.QUEUED, TaskState.RUNNING)).count(), limit
