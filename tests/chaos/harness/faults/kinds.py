"""What a fault is: a function that draws, and one that does its harm and returns which node it hit ("" for all)."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.chaos.harness.installation import TIMES, Installation

LEASE = float(str(TIMES["LEASE_SECONDS"]))
Harm = Callable[[Installation], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of fault: its weight among the others, what it takes hold of, and how one is drawn."""

    weight: int
    holds: str  # two faults with the same are never done at once
    draw: Callable[[random.Random], Harm]


KINDS: dict[str, Kind] = {}
PAUSE = threading.Event()


def fault(*, weight: int, holds: str = "") -> Callable[[Callable[[random.Random], Harm]], Callable[..., Harm]]:
    """Register a kind of fault under its function's name."""

    def add(draw: Callable[[random.Random], Harm]) -> Callable[..., Harm]:
        KINDS[draw.__name__] = Kind(weight=weight, holds=holds or draw.__name__, draw=draw)
        return draw

    return add


def wait_for(seen: Callable[[], bool], seconds: float) -> None:
    """Return when it is seen, or after so many seconds."""
    until = time.monotonic() + seconds
    while not seen() and time.monotonic() < until:
        PAUSE.wait(0.05)
