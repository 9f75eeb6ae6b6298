"""Send what is ready, after the commit that made it so.

A failure to send costs time, never work: the queued rows are the outbox.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache
from typing import Any

from celery import current_app
from celery.canvas import Signature
from celery.utils.functional import maybe_list
from celery.utils.nodenames import anon_nodename
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from workflows import failpoints
from workflows.core.plan import Plan
from workflows.executors.canvas import RUN_TASK, Delivery, canvases, signature

log = logging.getLogger(__name__)
BATCH = 250  # messages per round trip to the broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """What became ready in one run: (position, map index, attempt). With `alone`, not as parts of a chord: somebody may
    go on with one of them, and Celery would count it for ever."""

    plan: Plan
    run_id: int
    ready: tuple[tuple[int, int, int], ...]
    alone: bool = False


def send(dispatches: Iterable[Dispatch]) -> int:
    """Send every ready attempt; returns how many canvases went out.

    Broker trouble is logged and left to the reconciler.
    """
    items = [item for d in dispatches for item in canvases(d.plan, d.run_id, d.ready, chords=not d.alone)]
    if not items:
        return 0
    try:
        with current_app.producer_or_acquire() as producer:
            if len(items) == 1 and isinstance(items[0], Delivery):
                _send(producer, items[0], retry=True)
            else:
                with _batch(producer):
                    for item in items:
                        _send(producer, item, retry=False)
                        failpoints.hit("half_sent")
    except (KombuError, OSError, RedisError) as error:  # a chord speaks to the result backend by itself
        log.warning("broker: %s; %d messages are left to the reconciler", str(error).strip(), len(items))
        return 0
    failpoints.hit("sent")
    return len(items)


def _batch(producer: Any) -> AbstractContextManager[Any]:
    """Many messages in one round trip, where the transport can."""
    batch: AbstractContextManager[Any] = producer.batch(max_size=BATCH)
    return batch


def _send(producer: Any, item: Delivery | Signature[Any], *, retry: bool) -> None:
    if not isinstance(item, Delivery):
        item.apply_async(producer=producer)
        return
    soft, hard = item.limits
    publish(
        producer,
        item.args,
        task_id=item.celery_id,
        queue=item.queue,
        priority=item.broker_priority,
        shadow=item.shadow,
        soft_time_limit=soft,
        time_limit=hard,
        argsrepr=str(item.args),
        # What Celery's own chain puts into its first message: the rest, last step first.
        chain=[signature(step) for step in reversed(item.tail)] or None,
        retry=retry,
    )


def publish(
    producer: Any,
    args: tuple[Any, ...],
    *,
    task_id: str,
    queue: Any,
    priority: int,
    retry: bool = True,
    link: Any = None,
    link_error: Any = None,
    **options: Any,
) -> None:
    """Send one message in Celery's own format: what apply_async does, without working out anew for each message the
    route, the options and the repr of arguments that we know."""
    amqp: Any = current_app.amqp
    known = {name: options[name] for name in _MESSAGE_OPTIONS if options.get(name) is not None}
    message = amqp.as_task_v2(
        task_id,
        RUN_TASK,
        args,
        ignore_result=True,
        kwargsrepr="{}",
        origin=_origin(),
        callbacks=maybe_list(link),
        errbacks=maybe_list(link_error),
        **known,
    )
    amqp.send_task_message(producer, RUN_TASK, message, queue=queue, priority=priority, retry=retry)


_MESSAGE_OPTIONS = (
    "argsrepr",
    "chain",
    "chord",
    "group_id",
    "group_index",
    "parent_id",
    "root_id",
    "shadow",
    "soft_time_limit",
    "time_limit",
)


@cache
def _origin() -> str:
    name: str = anon_nodename()
    return name


def revoke(celery_ids: list[str], *, kill: bool) -> None:
    """Ask the workers to drop or kill tasks. A hint: the claim and the lease decide."""
    options: dict[str, Any] = {"terminate": True, "signal": "SIGKILL"} if kill else {}
    try:
        current_app.control.revoke(celery_ids, **options)
    except (KombuError, OSError, RedisError) as error:
        log.warning("broker: %s; the leases will stop what runs", str(error).strip())
