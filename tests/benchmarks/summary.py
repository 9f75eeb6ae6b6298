"""From measurements to medians, ratios and the verdict of the gates: pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

from tests.benchmarks.measure import Result, rounded

PRODUCT = "celeriac"
LATENCY = "W5"

# Issue 2, Show 5: least speed of Celeriac, as a multiple of the reference's.
LEAST_SPEED: dict[str, dict[str, float]] = {
    "canvas": {"W1": 1.0, "W2": 1.8, "W3": 4.0, "W4": 1.2},
    "postgres": {"W1": 0.75, "W2": 0.75, "W3": 0.75, "W4": 0.75},
}
MOST_LATENCY_MS = {50: 25.0, 95: 60.0}
MOST_MESSAGE_BYTES = 64_000


@dataclass(frozen=True, kw_only=True)
class Weight:
    """The messages of one workload on one system."""

    messages: int
    total: int
    biggest: int


@dataclass(frozen=True, kw_only=True)
class Line:
    """The medians of one workload on one system."""

    workload: str
    system: str
    ms_per_task: float
    spread: float  # slowest repetition / fastest
    tasks_per_second: float
    cpu_ms_per_task: float
    cpu_parts: dict[str, float]
    launch_cpu_ms_per_task: float
    bytes_per_task: float | None
    biggest: int | None
    p50: float | None
    p95: float | None
    others: float  # share of the machine that something else took
    speed: dict[str, float]  # reference -> median over repetitions of (its wall / this one's wall)


def percentile(values: list[float], rank: int) -> float:
    """A percentile, interpolated."""
    return values[0] if len(values) == 1 else quantiles(values, n=100, method="inclusive")[rank - 1]


def _speed(mine: list[Result], theirs: list[Result]) -> float:
    walls = {r.repetition: r.wall for r in theirs}
    return median(walls[r.repetition] / r.wall for r in mine if r.repetition in walls)


def lines(results: Iterable[Result], weights: Mapping[tuple[str, str], Weight]) -> list[Line]:
    """One line per (workload, system), in the order of measurement."""
    groups: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        groups.setdefault((result.workload, result.system), []).append(result)
    found = []
    for (workload, system), mine in groups.items():
        others = {s: theirs for (w, s), theirs in groups.items() if w == workload and s != system}
        weight, walls = weights.get((workload, system)), [r.wall for r in mine]
        latencies = [r.latencies_ms for r in mine if r.latencies_ms]
        found.append(
            Line(
                workload=workload,
                system=system,
                ms_per_task=median(r.ms_per_task for r in mine),
                spread=max(walls) / min(walls),
                tasks_per_second=median(r.tasks / r.wall for r in mine),
                cpu_ms_per_task=median(r.cpu_ms_per_task for r in mine),
                cpu_parts={part: median(r.cpu_parts[part] for r in mine) for part in mine[0].cpu_parts},
                launch_cpu_ms_per_task=median(r.launch_cpu_ms_per_task for r in mine),
                bytes_per_task=weight.total / mine[0].tasks if weight else None,
                biggest=weight.biggest if weight else None,
                p50=median(percentile(l50, 50) for l50 in latencies) if latencies else None,
                p95=median(percentile(l95, 95) for l95 in latencies) if latencies else None,
                others=median(r.others for r in mine),
                speed={} if latencies else {s: _speed(mine, theirs) for s, theirs in others.items()},
            )
        )
    return found


@dataclass(frozen=True, kw_only=True)
class Gate:
    """One promise and what was measured."""

    name: str
    measured: float
    bound: float
    held: bool

    def __str__(self) -> str:
        return f"{'ok  ' if self.held else 'MISS'} {self.name}: {self.measured:.2f} (bound {self.bound:g})"


def at_least(name: str, measured: float, bound: float) -> Gate:
    """A gate that more is better for."""
    return Gate(name=name, measured=measured, bound=bound, held=measured >= bound)


def at_most(name: str, measured: float, bound: float) -> Gate:
    """A gate that less is better for."""
    return Gate(name=name, measured=measured, bound=bound, held=measured <= bound)


def gates(found: Iterable[Line]) -> list[Gate]:
    """Every gate that the measured workloads and systems can answer."""
    verdicts: list[Gate] = []
    for line in found:
        if line.system != PRODUCT:
            continue
        for reference, bounds in LEAST_SPEED.items():
            if line.workload in bounds and reference in line.speed:
                name = f"{line.workload} speed against {reference}"
                verdicts.append(at_least(name, line.speed[reference], bounds[line.workload]))
        if line.workload == LATENCY and line.p50 is not None and line.p95 is not None:
            verdicts.append(at_most(f"{LATENCY} p50 ms", line.p50, MOST_LATENCY_MS[50]))
            verdicts.append(at_most(f"{LATENCY} p95 ms", line.p95, MOST_LATENCY_MS[95]))
        if line.biggest is not None:
            verdicts.append(at_most(f"{line.workload} biggest message, bytes", line.biggest, MOST_MESSAGE_BYTES))
    return verdicts


def as_json(line: Line) -> dict[str, Any]:
    """For the results file."""
    return dict(rounded(vars(line)))
