"""Send callbacks: try by try, each counted before it is made, until it is answered well or given up.

In the process that sweeps for ever this is a thread with a few senders, which needs neither the broker nor a worker: a
callback may be about just those. A receiver that is slow holds senders of its own host, never a sweep and never all.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from django.db import close_old_connections, connections

from workflows import failpoints
from workflows.conf import conf
from workflows.engine import sql
from workflows.executors import notices

log = logging.getLogger(__name__)
SENDERS = 4
PER_HOST = 2  # senders that one host may hold at a time
LONGEST_DELAY = 3600.0  # seconds between two tries
MESSAGE_MAX = 500

# `behind` leaves to the process that sends all the time what it has not had the time for.
_TAKE = """
UPDATE workflows_callback c SET tries = c.tries + 1, next_try_at = now() + make_interval(secs => %(lease)s)
  FROM (SELECT id FROM workflows_callback
         WHERE state = 'pending' AND next_try_at <= now() - make_interval(secs => %(behind)s)
           AND target ->> 'host' <> ALL (%(busy)s::text[])
         ORDER BY tries, next_try_at, id LIMIT 1 FOR UPDATE SKIP LOCKED) due
 WHERE c.id = due.id RETURNING c.id, c.event_id, c.kind, c.target, c.payload, c.tries
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One try of one callback."""

    id: int
    event_id: int
    kind: str
    target: dict[str, Any]
    payload: dict[str, Any]
    tries: int


def take(*, busy: tuple[str, ...] = (), behind: float = 0.0) -> Delivery | None:
    """The next callback that is due, its try counted: who dies while sending has used it up, and it comes again."""
    asked = {"lease": 2 * conf.CALLBACK_TIMEOUT + 5, "busy": list(busy), "behind": behind}
    rows = sql.run(_TAKE, asked)
    failpoints.hit("callback_taken") if rows else None
    names = Delivery.__dataclass_fields__
    return Delivery(**dict(zip(names, rows[0], strict=True))) if rows else None


_SENT = """
UPDATE workflows_callback SET state = 'sent', sent_at = now(), next_try_at = NULL, message = %s
 WHERE id = %s AND tries = %s AND state = 'pending'
"""
_FAILED = """
UPDATE workflows_callback
   SET state = CASE WHEN %(over)s THEN 'failed' ELSE 'pending' END, message = %(message)s,
       next_try_at = CASE WHEN NOT %(over)s THEN now() + make_interval(secs => %(delay)s) END
 WHERE id = %(id)s AND tries = %(tries)s AND state = 'pending'
"""


def deliver(delivery: Delivery) -> bool:
    """Make one try and write what came of it; whether it was answered well."""
    try:
        answer = notices.send(delivery.kind, delivery.target, delivery.payload, delivery_id=delivery.id)
    except notices.Undeliverable as error:
        _failed(delivery, str(error), permanent=error.permanent)
        return False
    failpoints.hit("callback_sent")
    sql.persist(lambda: sql.run(_SENT, (answer[:MESSAGE_MAX], delivery.id, delivery.tries)))
    return True


def _failed(delivery: Delivery, message: str, *, permanent: bool) -> None:
    over = permanent or delivery.tries >= conf.CALLBACK_MAX_TRIES
    delay = min(conf.CALLBACK_RETRY_SECONDS * 2.0 ** (delivery.tries - 1), LONGEST_DELAY)
    given_up = f" (given up after {delivery.tries} tries)" if over else ""
    said = f"{message[:MESSAGE_MAX]}{given_up}".replace("\x00", "")
    log.warning("callback %d, try %d: %s", delivery.id, delivery.tries, said)
    facts = {"id": delivery.id, "tries": delivery.tries, "over": over, "delay": delay, "message": said}
    sql.persist(lambda: sql.run(_FAILED, facts))


def deliver_for(seconds: float, *, behind: float = 0.0) -> int:
    """Send what is due, one after the other, for about so long; how many were answered well."""
    until, sent = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        with sql.on_django():
            delivery = take(behind=behind)
            if delivery is None:
                break
            sent += deliver(delivery)
    return sent


class Postman:
    """Sends callbacks in threads of its own, as long as the process lives."""

    def __init__(self, interval: float) -> None:
        self._interval = interval
        self._stop = threading.Event()
        self._free = threading.Semaphore(SENDERS)
        self._busy: Counter[str] = Counter()
        self._lock = threading.Lock()
        self._senders = ThreadPoolExecutor(SENDERS, thread_name_prefix="callback")
        self._thread = threading.Thread(target=self._run, name="callbacks", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout: float = 2.0) -> None:
        """Take nothing more; what is not sent by then may be sent again by another process."""
        self._stop.set()
        self._thread.join(timeout)
        until = time.monotonic() + timeout
        for _ in range(SENDERS):
            self._free.acquire(timeout=max(0.0, until - time.monotonic()))
        self._senders.shutdown(wait=False, cancel_futures=True)

    def _run(self) -> None:
        while not self._stop.is_set():
            pause = self._interval
            try:
                pause = 0.0 if self._hand_out() else self._interval
            except Exception as error:
                connections.close_all()  # of this thread: a broken one would stay broken
                if sql.is_lost(error):
                    log.warning("database: %s; callbacks are looked for again soon", str(error).strip().splitlines()[0])
                else:
                    log.exception("callbacks could not be read; trying again")
                pause = max(self._interval, 5.0)
            self._stop.wait(pause)
        connections.close_all()  # of this thread

    def _hand_out(self) -> bool:
        """Give one callback to a free sender; False when there is none of either."""
        if not self._free.acquire(timeout=self._interval):
            return False
        delivery = None
        try:
            with self._lock:
                busy = tuple(host for host, count in self._busy.items() if count >= PER_HOST)
            with sql.on_django():
                close_old_connections()
                delivery = take(busy=busy)
        finally:
            if delivery is None:
                self._free.release()
        if delivery is None:
            return False
        with self._lock:
            self._busy[delivery.target["host"]] += 1
        self._senders.submit(self._deliver, delivery)
        return True

    def _deliver(self, delivery: Delivery) -> None:
        try:
            with sql.on_django():
                deliver(delivery)
        except Exception:
            log.exception("callback %d could not be sent", delivery.id)
        finally:
            connections.close_all()  # of this thread: the next callback may be hours away
            with self._lock:
                self._busy[delivery.target["host"]] -= 1
            self._free.release()
