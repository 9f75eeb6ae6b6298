"""Events for many readers at once: one question for all that follow runs in a process."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from workflows.engine import sql
from workflows.engine.queries import EventRow

PAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What is new for those who follow a run and have read it up to `since`."""

    run_id: int
    since: int
    events: tuple[EventRow, ...]
    run_state: str

    @property
    def next_since(self) -> int:
        """What to ask with the next time."""
        return self.events[-1].seq


# Each reader's part is `queries.events_since`: below the oldest transaction that still writes, whole transactions only.
_NEWS = """
SELECT f.run, f.since, r.state, e.* FROM unnest(%(runs)s::bigint[], %(sinces)s::bigint[]) AS f(run, since)
  JOIN workflows_dagrun r ON r.id = f.run
 CROSS JOIN LATERAL (
       SELECT seq, id, task_execution_id, task_id, attempt, old, new, reason, message, node, at FROM workflows_event
        WHERE run_id = f.run AND seq > f.since AND seq < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
          AND seq <= COALESCE(
              (SELECT seq FROM workflows_event WHERE run_id = f.run AND seq > f.since
                  AND seq < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
                ORDER BY seq, id OFFSET %(limit)s - 1 LIMIT 1), 9223372036854775807)
       ) e
 ORDER BY f.run, f.since, e.seq, e.id
"""


def news(asked: Collection[tuple[int, int]], *, limit: int = PAGE) -> list[Followed]:
    """What is new for each (run, since), in one query; those without news are left out."""
    runs, sinces = [run for run, _ in asked], [since for _, since in asked]
    found: dict[tuple[int, int], list[EventRow]] = {}
    states: dict[int, str] = {}
    names = EventRow.__dataclass_fields__
    rows = sql.run(_NEWS, {"runs": runs, "sinces": sinces, "limit": limit})
    for run, since, state, *row in rows:
        states[run] = state
        found.setdefault((run, since), []).append(EventRow(**dict(zip(names, row, strict=True))))
    return [
        Followed(run_id=run, since=since, events=tuple(events), run_state=states[run])
        for (run, since), events in found.items()
    ]
