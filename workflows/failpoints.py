"""Places between two durable steps where a test makes a process die, stop, fail or wait.

Nothing happens unless the environment variable CELERIAC_FAILPOINTS is set when the process starts:

    after_x=kill            SIGKILL to itself, the first time that any process comes by
    after_x=kill:3          the third time
    after_x=crash           SIGKILL to the whole process group: the worker's main process and all its children
    after_x=stop            SIGSTOP to itself
    after_x=freeze          SIGSTOP to the whole process group
    after_x=raise           an exception
    after_x=delay:0.5       half a second, each time; delay:0.5:2 the second time only

Several are separated by semicolons. `@/path/to/file` reads them from a file at each point, so that a test can change
them under running processes. Counts are kept across processes in the directory that CELERIAC_FAILPOINT_COUNTS names;
without it each process counts by itself.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

log = logging.getLogger(__name__)

POINTS: Mapping[str, str] = {
    # name: what is done, and what is not
    "launched": "a run is committed; nothing of it is sent",
    "half_sent": "some messages of a dispatch are handed to the broker; others are not",
    "sent": "a dispatch is sent; its sender does not know it yet",
    "message_taken": "a message has left the broker; the attempt is not claimed",
    "claimed": "the claim is committed; nothing has run",
    "operated": "the task's code has run; nothing of it is written",
    "settling": "the outcome and what follows are written in an open transaction",
    "undecided": "a success is committed; a task below still needs its verdict",
    "deferring": "a task is deferred in an open transaction; its child run is not there yet",
    "beginning_to_wait": "a task waits for a time or an answer, in an open transaction",
    "ending_a_wait": "the end of a wait and what follows are written in an open transaction",
    "child_started": "a child run is committed; nothing of it is sent",
    "finished": "the outcome is committed; the canvas has not gone on, and nothing is sent",
    "carried": "the canvas has gone on; what else became ready is not sent",
    "going_on": "a worker holds, by the commit of a success, what it goes on with; nothing of it has run",
    "flushed": "everything ready is sent; whether the run is over was not asked",
    "run_settled": "every task of a run has settled; the run has not ended",
    "run_ended": "a child run has ended; the task that waits for it has not moved",
    "cancelling": "a run's end is written in an open transaction; its tasks are not cancelled",
    "cancelled": "a cancel is committed; nothing is killed, and child runs go on",
    "rescued": "the attempt of a dead child is queued again; its message is not sent",
    "handing_back": "a stopping worker has handed back an attempt; its process still runs",
    "callbacks_noted": "callbacks are noted in an open transaction; the cursor has not passed their events",
    "callback_taken": "a callback's try is counted and committed; nothing is sent",
    "callback_sent": "a callback's receiver has its message; that it has is not written",
    "sweeping": "the reconciler is before its next repair",
    "requeued": "the reconciler's repairs are committed; what they made ready is not sent",
    "marked_sent": "rows are marked as sent again; their messages are not sent",
    "resent": "everything that a broker forgot is sent again; that it forgot is not noted as mended",
}


class Tripped(RuntimeError):
    """A failpoint raised, as it was told to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trap:
    """What happens at a point: at the `nth` time that one comes by, or at each (0)."""

    action: str
    nth: int
    seconds: float = 0.0


_TRAP = re.compile(r"(\w+)=(?:(kill|crash|stop|freeze|raise)(?::(\d+))?|delay:(\d+(?:\.\d+)?)(?::(\d+))?)")


def parse(text: str) -> dict[str, Trap]:
    """The traps that a text sets; ValueError for what is not one, or for an unknown point."""
    traps: dict[str, Trap] = {}
    for part in filter(None, (part.strip() for part in text.split(";"))):
        found = _TRAP.fullmatch(part)
        if found is None or found[1] not in POINTS:
            raise ValueError(f"CELERIAC_FAILPOINTS: {part!r} is not `point=action`; points: {', '.join(POINTS)}")
        if found[2]:
            traps[found[1]] = Trap(action=found[2], nth=int(found[3] or 1))
        else:
            traps[found[1]] = Trap(action="delay", nth=int(found[5] or 0), seconds=float(found[4]))
    return traps


class Armed:
    """The traps of this process."""

    def __init__(self, text: str, counts: str = "") -> None:
        self._file = Path(text[1:]) if text.startswith("@") else None
        self._traps = {} if self._file else parse(text)
        self._counts = Path(counts) if counts else None
        self._own: Counter[str] = Counter()
        log.warning("failpoints are armed (%s): this process may kill itself", text)

    def hit(self, name: str) -> None:
        """Do what is set for this point, if it is its turn."""
        trap = self._current().get(name)
        if trap is not None and trap.nth in (0, self._count(name)):
            log.warning("failpoint %s: %s", name, trap.action)
            _spring(name, trap)

    def _current(self) -> dict[str, Trap]:
        if self._file is None:
            return self._traps
        try:
            return parse(self._file.read_text())
        except FileNotFoundError:
            return {}

    def _count(self, name: str) -> int:
        """How often the point was come by, this time included. An append tells its own place: no number comes twice."""
        if self._counts is None:
            self._own[name] += 1
            return self._own[name]
        descriptor = os.open(self._counts / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(descriptor, b".")
            return os.lseek(descriptor, 0, os.SEEK_CUR)
        finally:
            os.close(descriptor)


def _spring(name: str, trap: Trap) -> None:
    match trap.action:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "crash":
            os.killpg(0, signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "freeze":
            os.killpg(0, signal.SIGSTOP)
        case "raise":
            raise Tripped(name)
        case "delay":
            time.sleep(trap.seconds)


def _from_environment() -> Armed | None:
    text = os.environ.get("CELERIAC_FAILPOINTS", "")
    return Armed(text, os.environ.get("CELERIAC_FAILPOINT_COUNTS", "")) if text else None


_armed = _from_environment()


def is_armed() -> bool:
    """Whether this process may act at a point."""
    return _armed is not None


def hit(name: str) -> None:
    """Pass a point: one look at a global, unless failpoints are armed."""
    if _armed is not None:
        _armed.hit(name)
