"""Pools as people see and change them: their limits, what holds slots, what waits for them."""

from __future__ import annotations

from dataclasses import dataclass

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from workflows.conf import conf
from workflows.core.errors import BadPool, PoolExists
from workflows.engine import admit, sql
from workflows.engine.advance import Consequences
from workflows.engine.launch import follow_up
from workflows.models import NodePool

MOST_SLOTS = 2_147_483_647  # what the column holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What a pool's queue has now.

    `running` and `queued` are tasks that may go, `waiting` those that are held until a limit has room; `used` are the
    slots that count against the pool's limit (0 while it has none: then nobody counts).
    """

    running: int = 0
    queued: int = 0
    waiting: int = 0
    used: int = 0


def create(name: str, *, slots: int | None = None, description: str = "") -> NodePool:
    """Make a pool that documents may name. Raises PoolExists, BadPool."""
    pool = NodePool(name=name, description=description)
    try:
        pool.clean_fields()
    except ValidationError as error:
        raise BadPool(name=name, why="; ".join(f"{field}: {told[0]}" for field, told in _said(error))) from None
    try:
        with transaction.atomic():
            pool.save(force_insert=True)
            if slots is not None:  # not with the insert: a pool of this name may have been there, with tasks
                limit(name, slots)
                pool.slots = slots
    except IntegrityError:
        raise PoolExists(name=name) from None
    return pool


def _said(error: ValidationError) -> list[tuple[str, list[str]]]:
    return sorted(error.message_dict.items())


def limit(name: str, slots: int | None) -> None:
    """Set how many slots the tasks of a pool may hold at one time (None: no limit), and let go what fits by then.

    What runs counts at once, even where that is more than the limit; nothing is stopped. Raises UnknownPool, BadPool.
    """
    if slots is not None and not 0 <= slots <= MOST_SLOTS:
        raise BadPool(name=name, why=f"slots must be from 0 to {MOST_SLOTS}")
    dispatches = admit.limit_pool(name, slots)
    transaction.on_commit(lambda: follow_up(Consequences(dispatches=dispatches)))


_LOADS = """
SELECT queue, count(*) FILTER (WHERE state = 'running')::int,
       count(*) FILTER (WHERE state = 'queued' AND NOT held)::int, count(*) FILTER (WHERE held)::int,
       COALESCE(sum(slots) FILTER (WHERE gated AND NOT held), 0)::int
  FROM workflows_taskexecution WHERE state IN ('queued', 'running') GROUP BY queue
"""


def loads() -> dict[str, Load]:
    """What each queue has now, by the queue's name; queues without such tasks are left out. One query."""
    return {
        queue: Load(running=running, queued=queued, waiting=waiting, used=used)
        for queue, running, queued, waiting, used in sql.run(_LOADS)
    }


def load_of(pool: str, found: dict[str, Load]) -> Load:
    """A pool's load, in what `loads` answered."""
    return found.get(conf.queue_of(pool), Load())
