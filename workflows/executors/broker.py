"""What the reconciler asks of the broker: does it remember us, and is a queue empty?"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterable
from typing import Any

from celery import current_app
from kombu.exceptions import OperationalError

log = logging.getLogger(__name__)
EPOCH_KEY = "celeriac-epoch"


def epoch() -> str | None:
    """The mark that we left in the broker; a new one when there is none. None: the broker has no such memory or is
    down.

    When the answer changes, the broker has lost everything that was queued.
    """
    try:
        with current_app.connection_for_write() as connection:
            client = _client(connection)
            if client is None:
                return None
            client.set(EPOCH_KEY, str(uuid.uuid4()), nx=True)
            value = client.get(EPOCH_KEY)
            return value.decode() if isinstance(value, bytes) else value
    except (OperationalError, OSError) as error:
        log.warning("broker: %s", str(error).strip())
        return None


def empty_queues(names: Iterable[str]) -> set[str]:
    """Which of the queues hold no message now; none of them when the broker cannot tell."""
    empty: set[str] = set()
    try:
        with current_app.connection_for_write() as connection, connection.channel() as channel:
            for name in names:
                if _length(channel, name) == 0:
                    empty.add(name)
    except (OperationalError, OSError) as error:
        log.warning("broker: %s", str(error).strip())
    return empty


def _length(channel: Any, name: str) -> int:
    if hasattr(channel, "_size"):  # virtual transports (Redis): sums the lists of all priorities
        return int(channel._size(name))
    return int(channel.queue_declare(name, passive=True).message_count)


def _client(connection: Any) -> Any:
    channel = connection.default_channel
    return getattr(channel, "client", None)
