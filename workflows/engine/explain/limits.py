"""The gate of limits: slots of the pool, parallel tasks of the run, parallel items of a mapped task."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from workflows.core.states import TaskState
from workflows.engine import admit
from workflows.engine.admit import Held, Limit
from workflows.engine.explain.facts import Seen, TaskFacts, blocked, passed

_NAMES = {"run": "max_parallel_tasks", "items": "foreach_concurrency"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """One limit that the task is subject to."""

    name: str
    used: int
    most: int
    needs: int

    @property
    def is_full(self) -> bool:
        """Whether there is no room for this task."""
        return self.used + min(self.needs, self.most) > self.most

    def __str__(self) -> str:
        return f"{self.name} {self.used} of {self.most}"


def look(facts: TaskFacts) -> Seen:
    """Whether a limit holds a queued task back; each limit that applies, with what is in use of it."""
    if facts.task_state is not TaskState.QUEUED:
        return passed("no limit holds it")
    if not facts.task.gated:
        return passed("it is subject to no limit")
    uses = _uses(facts)
    data = {use.name: {"used": use.used, "limit": use.most, "needs": use.needs} for use in uses}
    told = ", ".join(str(use) for use in uses)
    if not facts.task.held:
        return passed(f"the limits let it through ({told})" if told else "the limits let it through", **data)
    full = [use.name for use in uses if use.is_full]
    if not full:
        return blocked(f"it is held, though there is room ({told}): the next sweep lets it through", **data)
    return blocked(f"it waits for room: {told}; what holds it is {' and '.join(full)}", **data)


def _uses(facts: TaskFacts) -> list[Use]:
    """What the engine itself counts when it decides who may go."""
    task = facts.task
    row = Held(
        id=task.pk,
        run_id=task.run_id,
        position=task.position,
        map_index=task.map_index,
        attempt=task.attempt,
        queue=task.queue,
        slots=task.slots,
        version_id=facts.run.version_id,
        priority=facts.run.priority,
    )
    found = admit.usage([row], admit.limited_queues())
    return [_use(facts, key, limit) for key, limit in found.items()]


def _use(facts: TaskFacts, key: Hashable, limit: Limit) -> Use:
    kind = key[0] if isinstance(key, tuple) else ""
    is_pool = kind == "pool"
    name = f"pool {facts.planned.pool}" if is_pool else _NAMES.get(str(kind), str(kind))
    return Use(name=name, used=limit.used, most=limit.most, needs=facts.task.slots if is_pool else 1)
