"""Send what is ready, after the commit that made it so. A failure to send costs time, never work: rows are the
outbox."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from celery import current_app
from celery.utils.nodenames import anon_nodename
from kombu.exceptions import OperationalError

from workflows.core.plan import Plan
from workflows.executors.canvas import RUN_TASK, Delivery, canvases

log = logging.getLogger(__name__)
BATCH = 250  # messages per round trip to the broker


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """What became ready in one run: (position, map index, attempt)."""

    plan: Plan
    run_id: int
    ready: tuple[tuple[int, int, int], ...]


def send(dispatches: Iterable[Dispatch]) -> int:
    """Send every ready attempt; returns how many canvases went out. Broker trouble is logged and left to the
    reconciler."""
    items = [item for d in dispatches for item in canvases(d.plan, d.run_id, d.ready)]
    if not items:
        return 0
    singles = [item for item in items if isinstance(item, Delivery)]
    try:
        with current_app.producer_or_acquire() as producer:
            _send_singles(producer, singles)
            for item in items:
                if not isinstance(item, Delivery):
                    item.apply_async(producer=producer)
    except (OperationalError, OSError) as error:
        log.warning("broker: %s; %d messages are left to the reconciler", str(error).strip(), len(items))
        return 0
    return len(items)


def _send_singles(producer: Any, items: list[Delivery]) -> None:
    if len(items) == 1:
        _publish(producer, items[0], retry=True)
    elif items:
        with producer.batch(max_size=BATCH):
            for item in items:
                _publish(producer, item, retry=False)


def _publish(producer: Any, item: Delivery, *, retry: bool) -> None:
    """One message in Celery's own format, without the routing and the repr of arguments that apply_async works out anew
    for each: a fan-out of 500 is one caller's loop."""
    amqp: Any = current_app.amqp
    soft, hard = item.limits
    message = amqp.as_task_v2(
        item.celery_id,
        RUN_TASK,
        item.args,
        time_limit=hard,
        soft_time_limit=soft,
        shadow=item.shadow,
        ignore_result=True,
        argsrepr=str(item.args),
        kwargsrepr="{}",
        origin=_origin(),
    )
    amqp.send_task_message(
        producer,
        RUN_TASK,
        message,
        queue=item.queue,
        priority=item.broker_priority,
        retry=retry,
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
    except (OperationalError, OSError) as error:
        log.warning("broker: %s; the leases will stop what runs", str(error).strip())
