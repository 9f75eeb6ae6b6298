"""Issue 2, Show 6: a DAG of 10,000 tasks costs no more per task than one of 1,000."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import median
from typing import Any

from tests.benchmarks import workloads
from tests.benchmarks.measure import Bench, Result
from tests.benchmarks.summary import Gate, at_most
from tests.benchmarks.systems.base import System
from tests.benchmarks.workloads import Workload

MOST_PUBLISH_SECONDS = 10.0
MOST_CPU_RATIO = 1.3
SMALL_RUNS = 4  # of the smaller DAG: half before the large one, half after


@dataclass(frozen=True, kw_only=True)
class Large:
    """What was measured."""

    tasks: int
    publish_seconds: float
    launch_and_run: Result
    small: list[Result]

    @property
    def cpu_ratio(self) -> float:
        """CPU per task, large by small."""
        return cpu(self.launch_and_run) / median(map(cpu, self.small))

    def gates(self) -> list[Gate]:
        """The promises of Show 6."""
        return [
            at_most(f"{self.tasks} tasks: publish seconds", self.publish_seconds, MOST_PUBLISH_SECONDS),
            at_most(f"{self.tasks} tasks: CPU per task by that of the small DAG", self.cpu_ratio, MOST_CPU_RATIO),
        ]

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        return {
            "tasks": self.tasks,
            "publish_seconds": round(self.publish_seconds, 2),
            "run": self.launch_and_run.as_json(),
            "small": [result.as_json() for result in self.small],
            "cpu_ratio": round(self.cpu_ratio, 3),
        }

    def __str__(self) -> str:
        run, small = self.launch_and_run, self.small
        wall, used = median(r.ms_per_task for r in small), median(map(cpu, small))
        return (
            f"{self.tasks} tasks: published in {self.publish_seconds:.1f} s, run in {run.wall:.1f} s, "
            f"{run.ms_per_task:.2f} ms and {cpu(run):.2f} ms CPU per task\n"
            f"{small[0].tasks} tasks of the same shape: {wall:.2f} ms and {used:.2f} ms CPU per task"
        )


def cpu(result: Result) -> float:
    """CPU milliseconds per task of everything, the launching process included."""
    return result.cpu_ms_per_task + result.launch_cpu_ms_per_task


def measure(bench: Bench, system: System, scale: float) -> Large:
    """Publish and run both; every task is checked as in the other workloads."""
    large, small = workloads.big(max(4, round(100 * scale))), workloads.big(max(2, round(10 * scale)))
    publish_seconds = _publish(system, large)
    before = [bench.run(system, small, n) for n in range(SMALL_RUNS // 2)]
    run = bench.run(system, large)
    after = [bench.run(system, small, n) for n in range(SMALL_RUNS // 2, SMALL_RUNS)]
    return Large(tasks=large.n, publish_seconds=publish_seconds, launch_and_run=run, small=before + after)


def _publish(system: System, workload: Workload) -> float:
    began = time.monotonic()
    system.prepare(workload)
    return time.monotonic() - began
