"""The command: `python -m tests.benchmarks.run --help`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks import large, report, summary, workloads
from tests.benchmarks.measure import Bench, Result
from tests.benchmarks.meter import weighing
from tests.benchmarks.noop import Ledger
from tests.benchmarks.profiling import profile
from tests.benchmarks.registry import NAMES, address, connect
from tests.benchmarks.systems.base import System
from tests.benchmarks.workers import crew, pause
from tests.benchmarks.workloads import Workload
from tests.support.servers import DURABLE, Servers

NOISY = 0.15  # share of the machine; a quiet one stays below 0.1


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.run", description=__doc__)
    words = {"type": lambda text: tuple(text.split(",")), "metavar": "A,B"}
    parser.add_argument("--once", action="store_true", help="all of it, small and once: correctness, no figures kept")
    parser.add_argument("--only", **words, help="workloads, such as W1,W2")
    parser.add_argument("--systems", default=NAMES, **words, help=f"of {','.join(NAMES)}")
    parser.add_argument("--repeat", type=int, default=9, help="interleaved repetitions (9)")
    parser.add_argument("--scale", type=float, default=1.0, help="multiplies the sizes of the workloads (1.0)")
    parser.add_argument("--json", type=Path, help="where the results go (tests/benchmarks/results/)")
    parser.add_argument("--gate", action="store_true", help="exit 1 unless every promise of docs/performance.md holds")
    parser.add_argument("--big", action="store_true", help="the 10,000-task DAG against the 1,000-task one")
    parser.add_argument("--profile", action="store_true", help="py-spy and pg_stat_statements of Celeriac")
    options = parser.parse_args(given)
    unknown = set(options.systems) - set(NAMES)
    if unknown:
        parser.error(f"unknown systems: {', '.join(sorted(unknown))}")
    if options.once:
        options.scale = min(options.scale, 0.1)
    return options


def warm_up(bench: Bench, systems: Sequence[System]) -> None:
    """Until each child of each system has its connections and its prepared statements."""
    for system in systems:
        try:
            for _ in range(2):
                bench.run(system, workloads.WARM_UP)
        except AssertionError:
            print(bench.workers[system.name].said(), file=sys.stderr)
            raise


def measure(bench: Bench, systems: Sequence[System], chosen: Sequence[Workload], repeat: int) -> list[Result]:
    """Every workload on every system, interleaved, so that a slow minute of the machine hits all of them."""
    results = []
    for workload in chosen:
        for repetition in range(repeat):
            # The order turns, or one system would always follow another's leftovers.
            for system in systems[repetition % len(systems) :] + systems[: repetition % len(systems)]:
                pause(0.2)
                result = bench.run(system, workload, repetition)
                results.append(result)
                print(
                    f"{workload.name} {system.name:9} {repetition}: {result.ms_per_task:6.2f} ms/task",
                    flush=True,
                )
    order = [system.name for system in systems]
    return sorted(results, key=lambda r: (r.workload, order.index(r.system), r.repetition))


def weigh(
    found: Servers, ledger: Ledger, systems: Sequence[System], chosen: Sequence[Workload], home: Path
) -> tuple[dict[tuple[str, str], summary.Weight], list[Result]]:
    """The messages of each workload, with workers of their own, since weighing costs time."""
    weights: dict[tuple[str, str], summary.Weight] = {}
    results: list[Result] = []
    with (
        weighing(home / "weights") as scales,
        crew(systems, home, found.guardian, "tests.benchmarks.weighed") as workers,
    ):
        bench = Bench(servers=found, ledger=ledger, workers=workers)
        for workload in chosen:
            for system in systems:
                scales.clear()
                results.append(bench.run(system, workload))
                sizes = scales.sizes()
                weights[workload.name, system.name] = summary.Weight(
                    messages=len(sizes), total=sum(sizes), biggest=max(sizes)
                )
    return weights, results


def compare(found: Servers, ledger: Ledger, home: Path, options: argparse.Namespace) -> bool:
    """Measure, weigh, show and keep; whether the gates hold."""
    systems = [connect(name, found, home) for name in options.systems]
    every = workloads.standard(options.scale)
    chosen = [every[name] for name in options.only or every]
    results: list[Result] = []
    if not options.once:
        with crew(systems, home, found.guardian) as workers:
            bench = Bench(servers=found, ledger=ledger, workers=workers)
            warm_up(bench, systems)
            results = measure(bench, systems, chosen, options.repeat)
    weights, unmeasured = weigh(found, ledger, systems, chosen, home)
    lines = summary.lines(results or unmeasured, weights)
    print("\n" + report.table(lines, chosen) + "\n\n" + report.parts(lines) + "\n")
    if options.once:
        print("every task of every workload ran once and after its upstreams, on every system")
        return True
    content = {
        "repeat": options.repeat,
        "scale": options.scale,
        "lines": [summary.as_json(line) for line in lines],
        "results": [result.as_json() for result in results],
    }
    if (others := max(line.others for line in lines)) > NOISY:
        print(f"something else took up to {others:.0%} of the machine: measure again when it is quiet\n")
    host = report.machine(found)
    if options.json is None and options.scale == 1:
        report.picture(report.PICTURE, lines, chosen, host)
    return conclude(summary.gates(lines), host, content, options.json or report.results_file(host))


def conclude(verdicts: list[summary.Gate], host: dict[str, Any], content: dict[str, Any], path: Path) -> bool:
    """Keep the figures and show the gates; whether all hold."""
    gates = [vars(gate) for gate in verdicts]
    report.keep(path, {"machine": host, "gates": gates, **content})
    print("\n".join(map(str, verdicts)))
    print(f"kept in {path}")
    return all(gate.held for gate in verdicts)


def alone(found: Servers, ledger: Ledger, home: Path, options: argparse.Namespace) -> bool:
    """What is about Celeriac only: `--big` and `--profile`."""
    systems = [connect(summary.PRODUCT, found, home)]
    every = workloads.standard(options.scale)
    held = True
    with crew(systems, home, found.guardian) as workers:
        bench = Bench(servers=found, ledger=ledger, workers=workers)
        warm_up(bench, systems)
        if options.profile:
            chosen = [every[name] for name in options.only or ("W1", "W2", "W3", "W4")]
            print(f"stacks in {profile(bench, systems[0], chosen, found.database_url)}")
        if options.big:
            measured = large.measure(bench, systems[0], options.scale)
            host = report.machine(found)
            path = options.json or report.results_file(host, "-big")
            print(measured)
            held = conclude(measured.gates(), host, {"scale": options.scale, "big": measured.as_json()}, path)
    return held


def main(given: Sequence[str] | None = None) -> int:
    """Run what was asked for; 1 if a gate was asked for and missed."""
    options = arguments(given)
    with tempfile.TemporaryDirectory(prefix="celeriac-bench-") as directory:
        home = Path(directory)
        ledger = Ledger(home / "ledger")
        with Servers(postgres_settings=DURABLE) as found:
            address(found)
            doing = alone if options.big or options.profile else compare
            held = doing(found, ledger, home, options)
    return 1 if options.gate and not held else 0


if __name__ == "__main__":
    sys.exit(main())
