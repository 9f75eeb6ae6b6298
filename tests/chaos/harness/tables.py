"""What is printed of rounds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from tests.chaos.harness.checker import WRONG
from tests.chaos.harness.rounds import Outcome

SUMMED = ("enqueued", "terminal", "executions", "repeated", "rescues", "retries", "faults", *WRONG)


def of_round(outcome: Outcome) -> str:
    """The account of one round."""
    verdict = outcome.verdict
    figures = verdict.figures()
    lines = [f"round {outcome.plan.seed}: {outcome.seconds:.0f} s of faults, {outcome.peace:.0f} s until all was done"]
    lines += [f"  {name:<24}{value:>10}{_mark(name, value)}" for name, value in figures.items()]
    lines.append("  " + ", ".join(f"{kind} {count}" for kind, count in sorted(verdict.by_kind.items())))
    lines += [f"  ! {problem}" for problem in verdict.problems[:25]]
    return "\n".join(lines)


def _mark(name: str, value: int | float) -> str:
    return "  must be 0" if name in WRONG and value else ""


def of_control(outcome: Outcome, seen: Sequence[str]) -> str:
    """What a round without a mechanism showed."""
    counts = outcome.verdict.counts
    told = ", ".join(f"{name} {getattr(counts, name)}" for name in seen)
    verdict = "seen" if any(getattr(counts, name) for name in seen) else "NOT SEEN: the harness is blind"
    return (
        f"control without {outcome.plan.mutation}: {counts.enqueued} tasks, {counts.faults} faults: {told}: {verdict}"
    )


def of_record(rounds: list[dict[str, Any]]) -> str:
    """The sums of each release."""
    by_release: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in rounds:
        by_release[line["release"]].append(line)
    return "\n".join(_release(name, lines) for name, lines in sorted(by_release.items())) or "nothing is on record"


def _release(name: str, lines: list[dict[str, Any]]) -> str:
    sums = {field: sum(line[field] for line in lines) for field in SUMMED}
    commits = len({line["commit"] for line in lines})
    wrong = {field: sums[field] for field in WRONG if sums[field]}
    bound = f"so p < {3 / sums['enqueued']:.1e} for each task (95 %)" if sums["enqueued"] and not wrong else str(wrong)
    return (
        f"release {name}: {len(lines)} rounds on {commits} commits, {sums['enqueued']} tasks, {sums['faults']} faults, "
        f"{sums['executions']} executions, {sums['repeated']} of them repeated after {sums['rescues']} rescues and "
        f"{sums['retries']} retries; wrong: {sum(wrong.values())}, {bound}"
    )
