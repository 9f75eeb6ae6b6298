"""Beat's own signals: stop it when it is asked to, wherever it is at that moment."""

from __future__ import annotations

import signal
from types import FrameType
from typing import Any

from celery import signals
from celery.beat import Service


@signals.beat_init.connect(weak=False)
def stop_when_asked(sender: Service, **_: Any) -> None:
    """Make SIGTERM and SIGINT end beat's loop.

    Celery's handler saves the schedule and raises SystemExit wherever the process is. In the middle of a statement
    that uses the same connection a second time; inside a callback of C code the exception is dropped, and beat goes
    on for ever with its schedule closed. Here the loop is told to end, and interrupted only where it sleeps; it saves
    the schedule as it leaves.
    """

    def stop(_signal: int, frame: FrameType | None) -> None:
        # Not its stop(): that logs, and a handler may come in the middle of another log line.
        sender._is_shutdown.set()  # type: ignore[attr-defined]  # celery-types does not list it
        if frame is not None and frame.f_code is Service.start.__code__:
            raise SystemExit(0)

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
