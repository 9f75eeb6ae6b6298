"""Tell those who watch the worker's events, such as Flower, of attempts that had no message of their own.

Celery's main process tells of messages. A child that goes on without one tells of its attempts itself, in the same
words, and only while somebody asked the worker for task events. A thread sends them, several at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from celery import current_app
from kombu.exceptions import KombuError
from redis.exceptions import RedisError

from workflows.core.states import TaskState
from workflows.engine.finish import Finished
from workflows.executors.canvas import celery_id
from workflows.worker.board import BOARD, Key

log = logging.getLogger(__name__)
SEND_SECONDS = 0.2


class _Teller:
    """A connection of its own, as the thread must not share the child's."""

    def __init__(self) -> None:
        self._dispatcher: Any = None
        self._thread: threading.Thread | None = None
        self._told = threading.Event()

    def tell(self, hostname: str, kind: str, key: Key, **fields: Any) -> None:
        try:
            dispatcher = self._opened(hostname)
            dispatcher.send(kind, uuid=celery_id(*key), **fields)
        except (KombuError, OSError, RedisError) as error:
            log.warning("broker: %s; who watches misses %s of %s", str(error).strip(), kind, key)
        self._told.set()

    def _opened(self, hostname: str) -> Any:
        if self._dispatcher is None:
            self._dispatcher = current_app.events.Dispatcher(
                current_app.connection_for_write(),
                hostname=hostname,
                buffer_group=frozenset({"task"}),
                buffer_limit=100_000,  # the thread sends
                buffer_while_offline=False,
            )
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._loop, name="celeriac-watching", daemon=True)
            self._thread.start()
        return self._dispatcher

    def _loop(self) -> None:
        pause = threading.Event()
        while True:
            self._told.wait()
            pause.wait(SEND_SECONDS)
            self._told.clear()
            dispatcher = self._dispatcher
            try:
                if dispatcher is not None:
                    dispatcher.flush(errors=False)
            except (KombuError, OSError, RedisError) as error:
                log.warning("broker: %s; who watches misses some attempts", str(error).strip())
                self._dispatcher = None  # the next one to be told of opens another


_teller = _Teller()


def started(request: Any, key: Key, name: Callable[[], str]) -> None:
    """An attempt without a message has begun."""
    if not BOARD.watched:
        return
    of_message = {"root_id": request.id, "parent_id": request.id, "retries": 0, "eta": None, "expires": None}
    _teller.tell(request.hostname, "task-received", key, name=name(), args=str(key), kwargs="{}", **of_message)
    _teller.tell(request.hostname, "task-started", key)


def ended(request: Any, key: Key, finished: Finished, began: float | None = None) -> None:
    """An attempt has ended: one without a message, which `began` then (by the monotonic clock); or the message's own,
    whose process goes on, so that Celery would say so only afterwards."""
    if not BOARD.watched:
        return
    if finished.state in (TaskState.RETRYING, TaskState.FAILED):
        kind = "task-retried" if finished.state is TaskState.RETRYING else "task-failed"
        _teller.tell(request.hostname, kind, key, exception=finished.message, traceback="")
    else:
        runtime = None if began is None else time.monotonic() - began
        _teller.tell(request.hostname, "task-succeeded", key, result="None", runtime=runtime)
