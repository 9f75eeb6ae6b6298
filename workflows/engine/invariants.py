"""Check the engine's promises against the database: the SQL ones as they are, the others by recounting runs.

Reads only, and may run beside workers at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection

from workflows.conf import conf
from workflows.core.states import RUN_MOVES, TASK_MOVES
from workflows.engine import recount
from workflows.engine.promises import INVARIANTS, SCOPE, Invariant

SAMPLE = 20
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What was found of one promise: how many rows break it, and a sample of them."""

    id: str
    title: str
    count: int
    rows: list[Row] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing breaks it."""
        return not self.count


@dataclass(frozen=True, slots=True, kw_only=True)
class Recounted:
    """A promise that is checked by working a run out again from its plan."""

    id: str
    title: str
    broken: Callable[[recount.Run], Iterator[Row]]


RECOUNTED: tuple[Recounted, ...] = (
    Recounted(id="I3", title="each task was decided as its rule says", broken=recount.wrong_decisions),
    Recounted(id="I4d", title="the end of a run follows from its tasks", broken=recount.wrong_run_state),
    Recounted(id="I5", title="the counters of a task recount its upstreams", broken=recount.wrong_counters),
    Recounted(id="I8b", title="no task was tried more often than it may be", broken=recount.too_many_tries),
)


def audit(run_id: int | None = None, *, quiescent: bool = False, newest: int = 1000) -> Iterator[Finding]:
    """Check every promise for one run or for all, the recounted ones for the `newest` runs only.

    `quiescent` also checks what holds only when nothing is on its way.
    """
    facts = {
        "run": run_id,
        "slack": 2 * conf.SWEEP_SECONDS + 5,
        "log_bytes": _log_ceiling(),
        "task_moves": [f"{old}>{new}" for old, new in TASK_MOVES],
        "run_moves": [f"{old}>{new}" for old, new in RUN_MOVES],
    }
    for invariant in INVARIANTS:
        if quiescent or not invariant.quiescent:
            yield _asked(invariant, facts)
    yield from _recounted(run_id, newest)


def _log_ceiling() -> int:
    """The cap, with room for chunks that were whole when it was reached, and for the note."""
    return int(conf.LOG_MAX_BYTES + 2 * 4 * conf.LOG_CHUNK_BYTES + 1_000)


def _asked(invariant: Invariant, facts: dict[str, Any]) -> Finding:
    query = f"{SCOPE} SELECT *, count(*) OVER () AS in_all FROM ({invariant.query}) found LIMIT {SAMPLE}"  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(query, facts)
        names = [column[0] for column in cursor.description or ()]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    counts = [row.pop("in_all") for row in rows]
    return Finding(id=invariant.id, title=invariant.title, count=counts[0] if counts else 0, rows=rows)


def _recounted(run_id: int | None, newest: int) -> Iterator[Finding]:
    broken: dict[str, list[Row]] = {each.id: [] for each in RECOUNTED}
    for number in recount.newest_runs(newest) if run_id is None else [run_id]:
        run = recount.read(number)
        if run is not None:
            for each in RECOUNTED:
                broken[each.id] += each.broken(run)
    for each in RECOUNTED:
        rows = broken[each.id]
        yield Finding(id=each.id, title=each.title, count=len(rows), rows=rows[:SAMPLE])
