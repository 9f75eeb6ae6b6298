"""The ledger of effects, read: what really ran, whatever PostgreSQL says."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

Place = tuple[int, str, int]  # run, task, map index


@dataclass(slots=True)
class Executions:
    """Marks of starts and ends by attempt, and lines that came too late."""

    starts: dict[Place, dict[int, list[str]]] = field(default_factory=lambda: defaultdict(dict))
    ends: set[tuple[Place, int, str]] = field(default_factory=set)
    late: list[tuple[Place, int, float]] = field(default_factory=list)
    count: int = 0


def read(path: Path) -> Executions:
    """The whole ledger."""
    found = Executions()
    for line in path.read_text().splitlines() if path.exists() else []:
        kind, run, task, index, attempt, mark, at = line.split()
        place, number = (int(run), task, int(index)), int(attempt)
        if kind == "S":
            found.starts[place].setdefault(number, []).append(mark)
            found.count += 1
        elif kind == "E":
            found.ends.add((place, number, mark))
        else:
            found.late.append((place, number, float(at)))
    return found
