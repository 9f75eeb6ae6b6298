"""Tell those who watch the worker's events, such as Flower, of attempts that had no message of their own.

Celery's main process tells of messages. A child that goes on without one tells of its attempts itself, in the same
words, and only while somebody asked the worker for events.
"""

from __future__ import annotations

import logging
import time
from typing import Any

from celery import current_app
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from workflows.core.states import TaskState
from workflows.engine.finish import Finished
from workflows.executors.canvas import celery_id
from workflows.worker.board import BOARD, Key

log = logging.getLogger(__name__)


def passed(request: Any, key: Key, name: str, finished: Finished, began: float) -> None:
    """An attempt without a message, from its start (by the monotonic clock) to its end."""
    if not BOARD.watched:
        return
    since = time.time() - (time.monotonic() - began)
    received = {"name": name, "args": str(key), "kwargs": "{}", "root_id": request.id, "parent_id": request.id}
    _tell(
        request,
        key,
        [
            ("task-received", since, {**received, "retries": 0, "eta": None, "expires": None}),
            ("task-started", since, {}),
            _end(finished, time.monotonic() - began),
        ],
    )


def ended(request: Any, key: Key, finished: Finished) -> None:
    """The message's own attempt has ended, though its process goes on: Celery would say so only afterwards."""
    if BOARD.watched:
        _tell(request, key, [_end(finished, None)])


Told = tuple[str, float, dict[str, Any]]


def _end(finished: Finished, runtime: float | None) -> Told:
    if finished.state is TaskState.RETRYING:
        return "task-retried", time.time(), {"exception": finished.message, "traceback": ""}
    if finished.state is TaskState.FAILED:
        return "task-failed", time.time(), {"exception": finished.message, "traceback": ""}
    return "task-succeeded", time.time(), {"result": "None", "runtime": runtime}


def _tell(request: Any, key: Key, events: list[Told]) -> None:
    try:
        with current_app.events.default_dispatcher(hostname=request.hostname) as dispatcher:
            for kind, at, fields in events:
                dispatcher.send(kind, uuid=celery_id(*key), timestamp=at, **fields)
    except (KombuError, OSError, RedisError) as error:
        log.warning("broker: %s; who watches misses %s", str(error).strip(), key)
