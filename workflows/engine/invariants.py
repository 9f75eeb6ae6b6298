"""Check the engine's promises against the database: the SQL ones as they are, the others by recounting runs.

Reads only, and may run beside workers at any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.db import connection

from workflows.conf import conf
from workflows.core.states import RUN_MOVES, TASK_MOVES
from workflows.engine import admit, marks, recount, replay, sql
from workflows.engine.promises import INVARIANTS, SCOPE, Invariant

SAMPLE = 20
EVER = datetime(1970, 1, 1, tzinfo=UTC)
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
    Recounted(
        id="I3", title="each task was decided as its rule says", broken=lambda r: replay.wrong_decisions(r.story)
    ),
    Recounted(id="I4d", title="the end of a run follows from its tasks", broken=recount.wrong_run_state),
    Recounted(id="I5", title="the counters of a task recount its upstreams", broken=recount.wrong_counters),
    Recounted(
        id="I7c",
        title="no run and no mapped task ever ran more at one time than it may",
        broken=lambda run: replay.exceeded_limits(run.story),
    ),
    Recounted(id="I8b", title="no task was tried more often than it may be", broken=recount.too_many_tries),
    Recounted(
        id="I8c",
        title="a task that may run once was not tried again",
        broken=lambda run: replay.run_twice(run.story),
    ),
)


def audit(run_id: int | None = None, *, quiescent: bool = False, newest: int = 1000) -> Iterator[Finding]:
    """Check every promise for one run, or for the `newest` runs and all that have not ended (0: for all there are).

    `quiescent` also checks what holds only when nothing is on its way.
    """
    runs = [run_id] if run_id is not None else _runs(newest)
    facts = {
        "runs": runs,
        "slack": 2 * conf.SWEEP_SECONDS + 5,
        "log_bytes": _log_ceiling(),
        "task_moves": [f"{old}>{new}" for old, new in TASK_MOVES],
        "run_moves": [f"{old}>{new}" for old, new in RUN_MOVES],
        **_pools(),
    }
    for invariant in INVARIANTS:
        if quiescent or not invariant.quiescent:
            yield _asked(invariant, facts)
    yield from _recounted(recount.newest_runs(newest or None) if runs is None else runs)


_RUNS = """
SELECT id FROM (SELECT id FROM workflows_dagrun ORDER BY id DESC LIMIT %s) newest
 UNION SELECT id FROM workflows_dagrun WHERE ended_at IS NULL
"""


def _runs(newest: int) -> list[int] | None:
    """The runs to look at; None for all, when that is what it comes to: some promises are of the tables as a whole."""
    if not newest or not sql.run("SELECT 1 FROM workflows_dagrun ORDER BY id DESC OFFSET %s LIMIT 1", (newest,)):
        return None
    return [row[0] for row in sql.run(_RUNS, (newest,))]


def _pools() -> dict[str, Any]:
    """The pools with a limit, and since when: what was claimed before is not held against a limit set later."""
    limits = admit.limited_queues()
    since = {queue: marks.set_at(f"limit:{queue}") or EVER for queue in limits}
    return {
        "pool_queues": list(limits),
        "pool_slots": list(limits.values()),
        "pool_since": [since[queue] for queue in limits],
        "closed": [queue for queue, slots in limits.items() if not slots],
    }


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


def _recounted(runs: list[int]) -> Iterator[Finding]:
    broken: dict[str, list[Row]] = {each.id: [] for each in RECOUNTED}
    for number in runs:
        run = recount.read(number)
        if run is not None:
            for each in RECOUNTED:
                broken[each.id] += each.broken(run)
    for each in RECOUNTED:
        rows = broken[each.id]
        yield Finding(id=each.id, title=each.title, count=len(rows), rows=rows[:SAMPLE])
