"""How far a backfill is: its dates by what became of their runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import LiteralString

from workflows.engine import sql

# What became of a date: the state of its run, as long as that is there.
OUTCOME: LiteralString = """
CASE WHEN d.state = 'waiting' THEN 'waiting' WHEN r.state IN ('pending', 'running') THEN 'running'
     WHEN r.state IS NOT NULL THEN r.state WHEN d.state = 'started' THEN 'cancelled' ELSE d.state END
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How many dates stand how. `refused`: no run could be made; `skipped`: a run before it did not succeed."""

    waiting: int = 0
    running: int = 0
    success: int = 0
    failed: int = 0
    cancelled: int = 0
    refused: int = 0
    skipped: int = 0

    @property
    def total(self) -> int:
        """All dates."""
        return sum(getattr(self, each.name) for each in fields(self))

    @property
    def ended(self) -> int:
        """Dates that are over."""
        return self.total - self.waiting - self.running

    @property
    def without_success(self) -> int:
        """Dates that are over and did not succeed: what a retry would run."""
        return self.ended - self.success

    def as_dict(self) -> dict[str, int]:
        """By name, those that are not 0."""
        counts = {each.name: getattr(self, each.name) for each in fields(self)}
        return {name: count for name, count in counts.items() if count}


_COUNTS: LiteralString = (
    f"SELECT d.backfill_id, {OUTCOME} AS outcome, count(*) FROM workflows_backfilldate d "  # noqa: S608
    "LEFT JOIN workflows_dagrun r ON r.id = d.run_id WHERE d.backfill_id = ANY(%s::bigint[]) GROUP BY 1, 2"
)


def progress_of(ids: Iterable[int]) -> dict[int, Progress]:
    """The progress of each backfill, in one query."""
    wanted = list(ids)
    counts: dict[int, dict[str, int]] = {pk: {} for pk in wanted}
    for pk, outcome, count in sql.run(_COUNTS, (wanted,)) if wanted else []:
        counts[pk][outcome] = count
    return {pk: Progress(**found) for pk, found in counts.items()}
