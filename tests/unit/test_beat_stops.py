"""Beat ends when it is asked to, whatever it is doing."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from celery import Celery
from celery.beat import Scheduler, Service

from workflows.worker import beat


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The test's handlers are taken back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def service(tick: Callable[[], float]) -> tuple[Service, list[str]]:
    """A beat whose scheduler does `tick`, and what was done to its schedule."""
    done: list[str] = []

    class Ticking(Scheduler):
        def setup_schedule(self) -> None:
            self.data = {}

        def tick(self) -> float:
            return tick()

        def close(self) -> None:
            done.append("saved")

    made = Service(Celery("beat-test", broker="memory://", set_as_current=False), scheduler_cls=Ticking)
    return made, done


def test_a_tick_is_finished_before_beat_ends() -> None:
    """The signal comes in the middle of the work, where an exception might be dropped or break a statement."""
    steps: list[str] = []

    def tick() -> float:
        os.kill(os.getpid(), signal.SIGTERM)
        steps.append("finished")
        return 0.0

    made, done = service(tick)
    made.start()
    assert steps == ["finished"]
    assert done == ["saved"]


@pytest.mark.timeout(20)
def test_sleep_is_interrupted() -> None:
    """Nothing is gained by waiting for the next tick."""

    def tick() -> float:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        return 3600.0

    made, done = service(tick)
    made.start()
    assert done == ["saved"]


def test_a_second_signal_while_it_ends_changes_nothing() -> None:
    """The schedule is saved once, and in peace."""
    made, _ = service(lambda: 0.0)
    beat.stop_when_asked(sender=made)
    handler = signal.getsignal(signal.SIGTERM)
    assert callable(handler)
    for _attempt in range(2):
        handler(signal.SIGTERM, None)
    assert made._is_shutdown.is_set()
