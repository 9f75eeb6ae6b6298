"""Processes that are killed, stopped, frozen, or made to die between two steps."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable

import psutil
import psycopg

from tests.chaos.harness.faults.kinds import LEASE, PAUSE, Harm, fault, wait_for
from tests.chaos.harness.installation import Installation
from tests.support.stack import LiveProcess
from workflows.failpoints import POINTS


def signalled(process: psutil.Process, what: signal.Signals) -> None:
    """Send a signal to a process that may be gone."""
    try:
        process.send_signal(what)
    except psutil.NoSuchProcess:
        return


def _worker(place: Installation, pick: float, age: float = 0.0) -> LiveProcess | None:
    """One of the workers, and one that is in the middle of something (for some time) if there is one."""
    busy = set(place.busy(age))
    workers = [worker for worker in place.workers() if busy & {child.pid for child in _children(worker)}]
    workers = workers or place.workers()
    return workers[int(pick * len(workers))] if workers else None


@fault(weight=12)
def kill_child(chance: random.Random) -> Harm:
    """SIGKILL of one process of a worker's pool."""
    which, child = chance.random(), chance.random()

    def do(place: Installation) -> str:
        worker = _worker(place, which)
        children = _children(worker) if worker else []
        if not worker or not children:
            return "-"
        busy = set(place.busy())
        children = [process for process in children if process.pid in busy] or children
        signalled(children[int(child * len(children))], signal.SIGKILL)
        return worker.name

    return do


def _children(worker: LiveProcess) -> list[psutil.Process]:
    try:
        return worker.process.children()
    except psutil.NoSuchProcess:
        return []


@fault(weight=8, holds="worker")
def kill_worker(chance: random.Random) -> Harm:
    """SIGKILL of a worker's main process."""
    which = chance.random()

    def do(place: Installation) -> str:
        worker = _worker(place, which)
        if worker:
            worker.kill()
        return worker.name if worker else "-"

    return do


LONG = 0.15  # a task that has run for so long will run on for a while, here and elsewhere


@fault(weight=6, holds="worker")
def freeze_worker(chance: random.Random) -> Harm:
    """SIGSTOP of a worker with all below it until what it was doing runs elsewhere; its children thaw before it."""
    which, more = chance.random(), chance.choice([0.0, 0.0, 0.5, 1.5])

    def do(place: Installation) -> str:
        wait_for(lambda: bool(place.busy(LONG)), 4.0)
        worker = _worker(place, which, LONG)
        below = _below(worker) if worker else []
        if not worker or not below:
            return "-"
        frozen = [worker.process, *below]
        for process in frozen:
            signalled(process, signal.SIGSTOP)
        wait_for(lambda: _taken_over(place, worker.name), LEASE + 10.0)
        PAUSE.wait(more)
        for process in below:
            signalled(process, signal.SIGCONT)
        PAUSE.wait(0.3)  # what they have to say, they say before their main process can kill them
        signalled(frozen[0], signal.SIGCONT)
        return worker.name

    return do


def _below(worker: LiveProcess) -> list[psutil.Process]:
    try:
        return worker.children()
    except psutil.NoSuchProcess:
        return []


_TAKEN_OVER = """
SELECT EXISTS (SELECT 1 FROM workflows_taskexecution t JOIN workflows_taskattempt a
                 ON a.task_execution_id = t.id AND a.number = t.attempt - 1
                WHERE t.state = 'running' AND a."end" = 'lost' AND a.node LIKE %s)
"""


def _taken_over(place: Installation, node: str) -> bool:
    try:
        with psycopg.connect(place.direct, autocommit=True) as session:
            row = session.execute(_TAKEN_OVER, (f"{node}@%",)).fetchone()
            return bool(row and row[0])
    except psycopg.Error:
        return False


@fault(weight=3, holds="worker")
def stop_worker(chance: random.Random) -> Harm:
    """SIGTERM, as in a rolling deployment, and a new worker when it has ended."""
    which = chance.random()

    def do(place: Installation) -> str:
        worker = _worker(place, which)
        if not worker:
            return "-"
        signalled(worker.process, signal.SIGTERM)
        for _ in range(100):
            if not worker.alive():
                return worker.name
            PAUSE.wait(0.1)
        worker.kill_all()
        return worker.name

    return do


def _killing(name: str) -> Callable[[random.Random], Harm]:
    def draw(chance: random.Random) -> Harm:
        def do(place: Installation) -> str:
            if place.stack[name].alive():
                place.stack[name].kill()
            return name

        return do

    draw.__name__ = f"kill_{name}"
    return draw


fault(weight=4)(_killing("reconciler"))
fault(weight=2)(_killing("beat"))
fault(weight=3)(_killing("web"))


@fault(weight=3)
def freeze_reconciler(chance: random.Random) -> Harm:
    """SIGSTOP of the reconciler for longer than a lease: when it wakes up, every clock has moved on."""
    seconds = chance.uniform(1.0, 2 * LEASE)

    def do(place: Installation) -> str:
        reconciler = place.stack["reconciler"]
        if not reconciler.alive():
            return "-"
        process = reconciler.process
        signalled(process, signal.SIGSTOP)
        PAUSE.wait(seconds)
        signalled(process, signal.SIGCONT)
        return "reconciler"

    return do


IN_THE_OUTCOME = ("operated", "settling", "deferring", "beginning_to_wait")


@fault(weight=10, holds="failpoint")
def failpoint(chance: random.Random) -> Harm:
    """A process dies exactly between two durable steps."""
    point, action = chance.choice(sorted(POINTS)), chance.choice(["kill", "kill", "crash", "raise"])

    def do(place: Installation) -> str:
        # An exception where the outcome is made is a failure of the task, which the script does not know of.
        harmless = action != "raise" or point not in IN_THE_OUTCOME
        place.arm(point, action if harmless else "kill")
        PAUSE.wait(1.0)
        place.traps.unlink(missing_ok=True)
        return ""

    return do
