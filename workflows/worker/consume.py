"""How a worker takes messages from our queues: without the bookkeeping of acknowledgements.

The lease in PostgreSQL is what recovers lost work. On Redis, kombu would still write each message to an `unacked` hash
when it is taken and delete it when it is acknowledged: two transactions for each task, more than half of the main
process's work, for a memory that is read after 12 hours (docs/performance.md). Other queues of the same worker are left
as they are.
"""

from __future__ import annotations

from types import MethodType
from typing import Any

from celery import Celery, bootsteps, signals

from workflows.conf import conf

TASKS = "celery.worker.consumer.tasks:Tasks"


class TakeWithoutAck(bootsteps.StartStopStep):
    """After Celery has made its consumer, and before it consumes: on every start and every reconnection."""

    requires = (TASKS,)

    def start(self, parent: Any) -> None:
        """Mark our queues, and let the channel ignore acknowledgements of what it never wrote down."""
        consumer = parent.task_consumer
        if parent.connection.transport.driver_type != "redis" or not parent.app.conf.worker_disable_prefetch:
            return  # without prefetching there is no other bound on what a consumer without acknowledgements is given
        for queue in consumer.queues:
            if is_ours(queue.name):
                queue.no_ack = True
        _skip_unknown_acks(consumer.channel.qos)

    def stop(self, parent: Any) -> None:
        """Nothing to undo: the channel goes with the connection."""


def is_ours(queue: str) -> bool:
    """Whether a queue carries nothing but task executions."""
    return queue == conf.DEFAULT_QUEUE or queue.startswith(f"{conf.QUEUE_PREFIX}.")


def _skip_unknown_acks(qos: Any) -> None:
    acknowledge = qos.ack

    def ack(self: Any, delivery_tag: str) -> None:
        if delivery_tag in self._delivered:
            acknowledge(delivery_tag)

    qos.ack = MethodType(ack, qos)


class CountUndecodable(bootsteps.StartStopStep):
    """Count what Celery cannot decode, logs and throws away: there is no signal for it."""

    requires = (TASKS,)

    def start(self, parent: Any) -> None:
        """Stand in front of Celery's own handler."""
        handler = parent.on_decode_error
        if getattr(handler, "counts", False):
            return  # a reconnection: we stand there already

        def counted(message: Any, error: BaseException) -> None:
            signals.task_rejected.send(sender=parent, message=message, exc=error)
            handler(message, error)

        counted.counts = True  # type: ignore[attr-defined]
        parent.on_decode_error = counted
        parent.task_consumer.on_decode_error = counted


def install(app: Celery) -> None:
    """Add the steps to an application's workers."""
    app.steps["consumer"].update((TakeWithoutAck, CountUndecodable))
