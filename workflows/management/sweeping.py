"""The reconciler as a process of its own: sweep, wait, sweep again, until it is told to stop."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psycopg
from django.db import Error as DatabaseError
from django.db import close_old_connections

from workflows.engine import reconcile, sql
from workflows.engine.deliveries import Postman
from workflows.engine.reconcile import Sweep

log = logging.getLogger(__name__)
LONGEST_PAUSE = 15.0  # seconds between tries while the database is away


def sweep_for_ever(interval: float) -> None:
    """Sweep until SIGTERM or SIGINT. No error ends it: the database and the broker may go and come back."""
    stop = threading.Event()
    postman = Postman(interval)
    with _stopped_by_signals(stop):
        postman.start()
        failures, swept_at = 0, time.monotonic()
        while not stop.is_set():
            if _survives_sweep(failures, gap=time.monotonic() - swept_at):
                failures, swept_at = 0, time.monotonic()
            else:
                failures += 1
            stop.wait(min(interval * 2**failures, max(interval, LONGEST_PAUSE)) if failures else interval)
    postman.stop()


def _survives_sweep(failures: int, *, gap: float) -> bool:
    try:
        sweep_once(gap=gap)
    except (DatabaseError, psycopg.Error) as error:
        sentence = next(iter(str(error).strip().splitlines()), type(error).__name__)
        log.warning("database: %s; sweeping again soon", sentence)
    except Exception:
        log.exception("the sweep failed; sweeping again soon")
    else:
        if failures:
            log.info("sweeping again after %d failed tries", failures)
        return True
    sql.close()
    close_old_connections()
    return False


def sweep_once(*, gap: float = 0.0) -> Sweep:
    """One sweep; `gap` is for how many seconds this process could not sweep though it meant to."""
    close_old_connections()
    return reconcile.sweep(gap=gap)


@contextmanager
def _stopped_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT ask for the end; a sweep is finished first. A second one acts at once."""

    def ask(number: int, frame: FrameType | None) -> None:
        stop.set()
        for name in before:
            signal.signal(name, signal.SIG_DFL)

    before = {name: signal.getsignal(name) for name in (signal.SIGTERM, signal.SIGINT)}
    for name in before:
        signal.signal(name, ask)
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)
