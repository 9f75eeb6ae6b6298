"""Draws faults from a seed and does them, up to three at once: first each kind, so that a short round has them all."""

from __future__ import annotations

import inspect
import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.chaos.harness.faults import KINDS, Harm
from tests.chaos.harness.history import Fault, History
from tests.chaos.harness.installation import Installation

AT_ONCE = 3


class Nemesis:
    """The thread that does harm."""

    def __init__(self, place: Installation, history: History, chance: random.Random, *, pause: float) -> None:
        """`pause` is the mean of the seconds between two faults."""
        self.place, self.history, self.chance, self.pause = place, history, chance, pause
        self.stop = threading.Event()
        self._first = sorted(KINDS) + ["freeze_worker"] * 2
        chance.shuffle(self._first)
        self._holds = {kind.holds: threading.Lock() for kind in KINDS.values()}
        self._number = 0

    def run(self) -> None:
        """The thread's body."""
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="fault") as hands:
            while not self.stop.wait(self.chance.uniform(0.3, 1.7) * self.pause):
                number, kind, harm = self._draw()
                hands.submit(self._do, number, kind, harm)
                while hands._work_queue.qsize() >= AT_ONCE and not self.stop.wait(0.05):
                    continue

    def _draw(self) -> tuple[int, str, Harm]:
        self._number += 1
        names = sorted(KINDS)
        kind = self._first.pop() if self._first else self.chance.choices(names, [KINDS[n].weight for n in names])[0]
        # A generator of its own for each fault: what one takes of it does not change the next.
        return self._number, kind, KINDS[kind].draw(random.Random(self.chance.random()))

    def _do(self, number: int, kind: str, harm: Harm) -> None:
        with self._holds[KINDS[kind].holds]:
            if self.stop.is_set():
                return
            began = time.time()
            try:
                node = harm(self.place)
            except Exception as error:  # a fault that could not be done is told, and is none
                self.history.note("no fault", number=number, fault=kind, why=f"{type(error).__name__}: {error}")
                return
        if node == "-":
            self.history.note("no fault", number=number, fault=kind, why="there was nothing to harm")
            return
        done = Fault(number=number, kind=kind, began=began, ended=time.time(), node=node, drawn=_drawn(harm))
        self.history.fault(done)


def _drawn(harm: Callable[..., Any]) -> dict[str, Any]:
    """What was drawn for a fault: the values that its functions have closed over."""
    drawn: dict[str, Any] = {}
    for name, value in inspect.getclosurevars(harm).nonlocals.items():
        if inspect.isfunction(value):
            drawn |= _drawn(value)
        elif isinstance(value, (str, int, float)):
            drawn[name] = value
    return drawn
