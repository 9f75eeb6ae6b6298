"""The task that does nothing but leave a mark, the same in every system.

The mark is one short line appended to a file: 2 microseconds, no server, and no system under test
has a hand in it.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.benchmarks.workloads import Workload

VARIABLE = "CELERIAC_BENCH_LEDGER"


@lru_cache(maxsize=1)
def _open(path: str) -> int:
    # O_APPEND: lines of several processes never mix, and the driver may cut the file to nothing between runs.
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)


def mark(run: str, task: int) -> None:
    """Say that a task of a run started now."""
    os.write(_open(os.environ[VARIABLE]), f"{time.time():.6f} {run} {task}\n".encode())


def noop(task: int, run: str = "-") -> None:
    """Celeriac's python task; its run is not known to the callable."""
    mark(run, task)


@dataclass(frozen=True)
class Mark:
    """One line of the ledger."""

    at: float
    run: str
    task: int


class Ledger:
    """The driver's side of the file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch(mode=0o666)
        os.environ[VARIABLE] = str(path)

    def clear(self) -> None:
        """Forget every mark."""
        os.truncate(self.path, 0)

    def marks(self) -> list[Mark]:
        """Every mark, in the order in which the tasks started."""
        lines = (line.split() for line in self.path.read_text().splitlines())
        return [Mark(float(at), run, int(task)) for at, run, task in lines]


class WrongRun(AssertionError):
    """A task was lost, ran twice or ran before its upstreams: the figures of such a run mean nothing."""


def check(workload: Workload, marks: Sequence[Mark]) -> None:
    """Every task ran once per run and, where the marks tell the runs apart, after its upstreams."""
    launches = workload.runs * max(1, workload.samples)
    ran = Counter(m.task for m in marks)
    wrong = {task: ran[task] for task in set(ran) | set(range(workload.n)) if ran[task] != launches}
    if wrong:
        shown = dict(sorted(wrong.items())[:10])
        raise WrongRun(f"{workload.name}: {launches} executions of each task expected, but task: count was {shown}")
    anonymous = any(m.run == "-" for m in marks)
    if anonymous and launches > 1:
        return
    seen: set[tuple[str, int]] = set()
    for m in marks:
        early = [up for up in workload.upstream[m.task] if (m.run, up) not in seen]
        if early:
            raise WrongRun(f"{workload.name}: task {m.task} of run {m.run} started before its upstreams {early}")
        if (m.run, m.task) in seen:
            raise WrongRun(f"{workload.name}: task {m.task} of run {m.run} ran twice")
        seen.add((m.run, m.task))
