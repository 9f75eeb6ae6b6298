"""One measurement: a workload on a system, from before its launch until its end."""

from __future__ import annotations

import os
import time
from dataclasses import asdict, dataclass, field
from typing import Any

import redis

from tests.benchmarks.meter import broker_bytes, busy_seconds, cpu_seconds
from tests.benchmarks.noop import Ledger, check
from tests.benchmarks.systems.base import System
from tests.benchmarks.workers import Workers, pause
from tests.benchmarks.workloads import Workload
from tests.support.servers import Servers

TIMEOUT = 120.0
SLOWEST = 0.05  # seconds per task, before a run counts as stuck
REST = 0.15  # seconds for acknowledgements and the like, before CPU is read


@dataclass(frozen=True, kw_only=True)
class Result:
    """The figures of one measurement."""

    workload: str
    system: str
    repetition: int
    tasks: int
    wall: float  # seconds from before the launch to the end of the last run
    cpu_ms_per_task: float  # workers, PostgreSQL and Valkey
    cpu_parts: dict[str, float]  # of it: the worker's main process, its children, PostgreSQL and so on
    launch_cpu_ms_per_task: float  # the process that launches, while it does
    broker_bytes_per_task: float  # all that Valkey was sent, acknowledgements and counters included
    others: float  # share of the machine that went to processes which are no part of the measurement
    latencies_ms: list[float] = field(default_factory=list)  # W5: trigger to first start

    @property
    def ms_per_task(self) -> float:
        """Wall milliseconds per task."""
        return self.wall / self.tasks * 1000

    def as_json(self) -> dict[str, Any]:
        """For the results file."""
        found = asdict(self) | {"ms_per_task": self.ms_per_task, "tasks_per_second": self.tasks / self.wall}
        return rounded(found)


def rounded(value: Any) -> Any:
    """The same with four decimals."""
    match value:
        case float():
            return round(value, 4)
        case dict():
            return {key: rounded(each) for key, each in value.items()}
        case list():
            return [rounded(each) for each in value]
    return value


@dataclass
class Bench:
    """What measurements share: servers, ledger, and one set of workers per system."""

    servers: Servers
    ledger: Ledger
    workers: dict[str, Workers]

    def run(self, system: System, workload: Workload, repetition: int = 0) -> Result:
        """Measure once; raises WrongRun if a task was lost, doubled or early."""
        system.prepare(workload)
        self.ledger.clear()
        broker = redis.Redis.from_url(self.servers.broker_url)
        bytes_before, cpu_before = broker_bytes(broker), self._cpu(system)
        began, machine_before, driver_before = time.monotonic(), busy_seconds(), time.process_time()
        wall, launch_cpu, latencies = (self._latencies if workload.samples else self._throughput)(system, workload)
        pause(REST)
        received, parts = broker_bytes(broker) - bytes_before, self._cpu(system)
        parts = {part: seconds - cpu_before[part] for part, seconds in parts.items()}
        cpu = sum(parts.values())
        mine, elapsed = cpu + time.process_time() - driver_before, time.monotonic() - began
        others = (busy_seconds() - machine_before - mine) / elapsed / (os.cpu_count() or 1)
        check(workload, self.ledger.marks())
        system.forget()
        return Result(
            workload=workload.name,
            system=system.name,
            repetition=repetition,
            tasks=workload.executions,
            wall=wall,
            cpu_ms_per_task=cpu / workload.executions * 1000,
            cpu_parts={part: seconds / workload.executions * 1000 for part, seconds in parts.items()},
            launch_cpu_ms_per_task=launch_cpu / workload.executions * 1000,
            broker_bytes_per_task=received / workload.executions,
            others=max(0.0, others),
            latencies_ms=latencies,
        )

    def _cpu(self, system: System) -> dict[str, float]:
        """CPU seconds until now, by part."""
        worker, *beside = self.workers[system.name].pids
        main, children = cpu_seconds(worker)
        return {
            "worker main": main,
            "worker children": children,
            "beside": sum(sum(cpu_seconds(pid)) for pid in beside),
            "postgres": sum(cpu_seconds(self.servers.postgres.pid)),
            "valkey": sum(cpu_seconds(self.servers.valkey.pid)),
        }

    def _throughput(self, system: System, workload: Workload) -> tuple[float, float, list[float]]:
        launch_cpu, began = time.process_time(), time.time()
        runs = [system.launch(workload) for _ in range(workload.runs)]
        launch_cpu = time.process_time() - launch_cpu
        return system.wait(runs, max(TIMEOUT, SLOWEST * workload.executions)) - began, launch_cpu, []

    def _latencies(self, system: System, workload: Workload) -> tuple[float, float, list[float]]:
        began, latencies, launch_cpu = time.time(), [], 0.0
        for sample in range(workload.samples):
            pause(0.02)  # the workers are back at the broker, as they would be
            cpu, triggered = time.process_time(), time.time()
            run = system.launch(workload)
            launch_cpu += time.process_time() - cpu
            system.wait([run], TIMEOUT)
            latencies.append((self.ledger.marks()[sample].at - triggered) * 1000)
        return time.time() - began, launch_cpu, latencies
