"""What the reconciler asks of the broker: does it remember us, and is a queue empty?"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)
MARK_KEY = "celeriac-broker"


def epoch() -> str | None:
    """The mark that we left in the broker; a new one when there is none. None: the broker is down, or keeps no marks.

    When the answer changes, the broker has lost everything that was queued.
    """
    value: Any = None
    with _asked() as connection:
        client = getattr(connection.default_channel, "client", None)
        # A hash, not a plain key: kombu puts global_keyprefix before the key of HGET, but not before that of GET.
        if client is not None and (value := client.hget(MARK_KEY, "epoch")) is None:
            client.hset(MARK_KEY, "epoch", str(uuid.uuid4()))
            value = client.hget(MARK_KEY, "epoch")
    return value.decode() if isinstance(value, bytes) else value


def empty_queues(names: Iterable[str]) -> set[str]:
    """Which of the queues hold no message now; none of them when the broker cannot tell."""
    empty: set[str] = set()
    with _asked() as connection, connection.channel() as channel:
        for name in names:
            if _length(channel, name) == 0:
                empty.add(name)
    return empty


def queue_length(name: str) -> int | None:
    """How many messages wait in a queue, 0 when there is none of that name; None: the broker does not answer."""
    length: int | None = None
    with _asked() as connection:
        connection.ensure_connection(max_retries=1, interval_start=0, interval_step=0, interval_max=0)
        with connection.channel() as channel:
            try:
                length = _length(channel, name)
            except connection.channel_errors:  # a broker of AMQP that knows no such queue
                length = 0
    return length


def lengths(names: Iterable[str]) -> dict[str, int] | None:
    """How many messages wait in each of the queues; None when the broker cannot tell."""
    found: dict[str, int] | None = None
    with _asked() as connection, connection.channel() as channel:
        found = {name: _length(channel, name) for name in names}
    return found


@contextmanager
def _asked() -> Iterator[Any]:
    """A connection of its own; a broker that goes away ends the question with a warning."""
    with current_app.connection_for_write() as connection:
        lost: tuple[type[BaseException], ...] = (OperationalError, OSError, *connection.connection_errors)
        try:
            yield connection
        except lost as error:
            log.warning("broker: %s", str(error).strip())


def _length(channel: Any, name: str) -> int:
    if hasattr(channel, "_size"):  # virtual transports (Redis): sums the lists of all priorities
        return int(channel._size(name))
    return int(channel.queue_declare(name, passive=True).message_count)
