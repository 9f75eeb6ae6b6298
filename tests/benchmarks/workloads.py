"""The workloads as pure data: how many tasks, who waits for whom, how many runs at once."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import cached_property

SEED = 20  # of W3 and of the big DAGs: the same graph on every machine and in every release


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A DAG of no-op tasks 0..n-1, task i waiting for `upstream[i]`, launched `runs` times at once."""

    name: str
    title: str
    upstream: tuple[tuple[int, ...], ...]
    runs: int = 1
    samples: int = 0  # above 0: launched that many times one after another, and the latencies are what counts

    @property
    def n(self) -> int:
        """Tasks in one run."""
        return len(self.upstream)

    @property
    def executions(self) -> int:
        """Tasks in one measurement."""
        return self.n * self.runs * max(1, self.samples)

    @cached_property
    def downstream(self) -> tuple[tuple[int, ...], ...]:
        """The edges turned round."""
        found: list[list[int]] = [[] for _ in self.upstream]
        for task, above in enumerate(self.upstream):
            for up in above:
                found[up].append(task)
        return tuple(tuple(below) for below in found)

    @cached_property
    def roots(self) -> tuple[int, ...]:
        """Tasks that wait for nothing."""
        return tuple(task for task, above in enumerate(self.upstream) if not above)

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """Tasks that nothing waits for."""
        return tuple(task for task, below in enumerate(self.downstream) if not below)


def chain(n: int) -> tuple[tuple[int, ...], ...]:
    """0 > 1 > ... > n-1."""
    return tuple((i - 1,) if i else () for i in range(n))


def diamond(width: int) -> tuple[tuple[int, ...], ...]:
    """1 > width > 1."""
    return ((), *((0,) for _ in range(width)), tuple(range(1, width + 1)))


def layered(layers: int, width: int, fewest: int, most: int) -> tuple[tuple[int, ...], ...]:
    """Each task waits for `fewest` to `most` random tasks of the layer before: not series-parallel."""
    dice = random.Random(SEED)
    upstream: list[tuple[int, ...]] = [() for _ in range(width)]
    for layer in range(1, layers):
        before = range((layer - 1) * width, layer * width)
        for _ in range(width):
            count = min(width, dice.randint(fewest, most))
            upstream.append(tuple(sorted(dice.sample(before, count))))
    return tuple(upstream)


def nightly() -> tuple[tuple[int, ...], ...]:
    """20 tasks as in a nightly load: start, 4 sources of 3 steps each, a join, 5 reports, a notice."""
    upstream: list[tuple[int, ...]] = [()]
    for source in range(4):
        first = 1 + 3 * source
        upstream += [(0,), (first,), (first + 1,)]
    upstream.append((3, 6, 9, 12))
    upstream += [(13,)] * 5
    upstream.append(tuple(range(14, 19)))
    return tuple(upstream)


def standard(scale: float = 1.0) -> dict[str, Workload]:
    """W1 to W5, their sizes multiplied by `scale`."""

    def size(full: int, least: int = 2) -> int:
        return max(least, round(full * scale))

    tasks, wide, layers, runs, samples = size(100), size(500), size(20), size(50), size(50, 5)
    found = (
        Workload(name="W1", title=f"chain of {tasks}", upstream=chain(tasks)),
        Workload(name="W2", title=f"1 > {wide} > 1", upstream=diamond(wide)),
        Workload(name="W3", title=f"{layers} layers x 25", upstream=layered(layers, 25, 2, 3)),
        Workload(name="W4", title=f"{runs} runs of 20 tasks", upstream=nightly(), runs=runs),
        Workload(name="W5", title="trigger to first start", upstream=((),), samples=samples),
    )
    return {workload.name: workload for workload in found}


def big(layers: int, width: int = 100) -> Workload:
    """The large DAG of `--big`: two upstreams for each task."""
    return Workload(name=f"big-{layers * width}", title=f"{layers} x {width}", upstream=layered(layers, width, 2, 2))


WARM_UP = Workload(name="W0", title="warm-up", upstream=diamond(40))
