"""Waiting for what another process does, without a sleep of a guessed length."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
_NEVER = threading.Event()


def eventually(
    predicate: Callable[[], T],
    timeout: float = 10.0,
    *,
    every: float = 0.02,
    saying: str | Callable[[], str] = "",
) -> T:
    """The first true value of `predicate`; AssertionError after `timeout` seconds.

    An AssertionError that the predicate raises counts as "not yet", and its message is shown at the end.
    """
    deadline = time.monotonic() + timeout
    last: object = None
    while True:
        try:
            value = predicate()
            if value:
                return value
            last = value
        except AssertionError as error:
            last = error
        if time.monotonic() > deadline:
            what = saying() if callable(saying) else saying
            raise AssertionError(f"not within {timeout} s{': ' + what if what else ''} (last: {last!r})")
        _NEVER.wait(every)


def stays(predicate: Callable[[], object], duration: float = 0.3, *, every: float = 0.02) -> None:
    """Assert that `predicate` is true at every look during `duration` seconds."""
    deadline = time.monotonic() + duration
    while time.monotonic() < deadline:
        assert predicate(), "it did not stay so"
        _NEVER.wait(every)
