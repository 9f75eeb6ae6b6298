"""Sends the message that only says that it came through."""

from __future__ import annotations

import logging

from celery import current_app
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from workflows.conf import conf

log = logging.getLogger(__name__)
CANARY_TASK = "celeriac.canary"


def send(queue: str, sent: str) -> None:
    """Send one behind everything that waits in a queue. Broker trouble is logged: another follows."""
    try:
        current_app.send_task(
            CANARY_TASK, args=(queue, sent), queue=queue, priority=9 if conf.PRIORITIES else 0, ignore_result=True
        )
    except (KombuError, OSError, RedisError) as error:
        log.warning("broker: %s; a canary was not sent", str(error).strip())
