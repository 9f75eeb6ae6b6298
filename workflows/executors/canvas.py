"""From ready task executions to Celery signatures: by task name, ids only, in the flat dialect.

A signature carries (run, position, map index, attempt): never a command, a parameter, a secret or a result. The ids of
Celery tasks are made from the same four numbers, so that sending twice sends the same thing twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from celery import chain, chord, current_app
from celery.canvas import Signature

from workflows.conf import conf
from workflows.core.plan import Plan, PlannedTask, Segment

RUN_TASK = "celeriac.run"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One Celery task message to come; `tail` is the rest of a chain, which travels in it."""

    run_id: int
    position: int
    map_index: int
    attempt: int
    shadow: str
    queue: str
    priority: int
    timeout: float | None
    tail: tuple[Delivery, ...] = ()

    @property
    def args(self) -> tuple[int, int, int, int]:
        """The message's arguments."""
        return (self.run_id, self.position, self.map_index, self.attempt)

    @property
    def celery_id(self) -> str:
        """The Celery task id of this attempt."""
        return celery_id(*self.args)

    @property
    def limits(self) -> tuple[float | None, float | None]:
        """(soft, hard) time limits in seconds."""
        return (None, None) if self.timeout is None else (self.timeout, self.timeout + conf.HARD_TIMEOUT_GRACE)

    @property
    def broker_priority(self) -> int:
        """Celeriac counts 9 as first, Redis 0."""
        return 9 - self.priority if conf.PRIORITIES else 0


def celery_id(run_id: int, position: int, map_index: int, attempt: int) -> str:
    """The Celery task id of an attempt: `<run>.<position>[.<map index>]-<attempt>`."""
    item = f".{map_index}" if map_index >= 0 else ""
    return f"{run_id}.{position}{item}-{attempt}"


def delivery(plan: Plan, run_id: int, position: int, attempt: int, map_index: int = -1) -> Delivery:
    """What is to be sent for one attempt of a planned task."""
    task: PlannedTask = plan.tasks[position]
    return Delivery(
        run_id=run_id,
        position=position,
        map_index=map_index,
        attempt=attempt,
        shadow=f"{plan.dag_id}.{task.id}",
        queue=conf.queue_of(task.pool),
        priority=task.priority,
        timeout=task.timeout,
    )


def canvases(
    plan: Plan, run_id: int, ready: Iterable[tuple[int, int, int]], *, chords: bool = True
) -> Iterator[Delivery | Signature[Any]]:
    """Group ready attempts (position, map index, attempt) into what is sent: single deliveries, chains, chords.

    A chord goes out only when all its heads are ready together for the first time; a chain from wherever it stands.
    """
    waiting = {(position, map_index): attempt for position, map_index, attempt in ready}
    for (position, map_index), attempt in list(waiting.items()):
        if (position, map_index) not in waiting:
            continue
        segment = plan.segment_of[position]
        if chords and segment.body is not None and map_index < 0 and _whole(segment, waiting):
            for head in segment.heads:
                del waiting[(head, -1)]
            yield _chord(plan, run_id, segment)
            continue
        del waiting[(position, map_index)]
        first = delivery(plan, run_id, position, attempt, map_index)
        tail = plan.tail_of.get(position, (position,))[1:] if map_index < 0 else ()
        yield replace(first, tail=tuple(delivery(plan, run_id, p, 1) for p in tail)) if tail else first


def _whole(segment: Segment, waiting: dict[tuple[int, int], int]) -> bool:
    return all(waiting.get((head, -1)) == 1 for head in segment.heads)


def _chord(plan: Plan, run_id: int, segment: Segment) -> Signature[Any]:
    header = []
    for positions in segment.chains:
        links = [signature(delivery(plan, run_id, p, 1)) for p in positions]
        header.append(links[0] if len(links) == 1 else chain(*links))
    assert segment.body is not None
    return chord(header, signature(delivery(plan, run_id, segment.body, 1)))


def signature(item: Delivery) -> Signature[Any]:
    """The Celery signature of one delivery: immutable, with a deterministic id."""
    soft, hard = item.limits
    return current_app.signature(
        RUN_TASK,
        args=item.args,
        immutable=True,
        options={
            "task_id": item.celery_id,
            "queue": item.queue,
            "priority": item.broker_priority,
            "shadow": item.shadow,
            "soft_time_limit": soft,
            "time_limit": hard,
            "ignore_result": True,
            "argsrepr": str(item.args),
            "kwargsrepr": "{}",
        },
    )
