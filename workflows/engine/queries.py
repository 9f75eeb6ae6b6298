"""The read side that more than one door needs: events in order, logs, and the table of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from workflows.core.states import TaskState
from workflows.engine import sql
from workflows.models import DagRun, LogChunk


@dataclass(frozen=True, slots=True, kw_only=True)
class EventRow:
    """One event as the doors show it."""

    seq: int
    id: int
    task_execution_id: int | None
    task_id: str
    attempt: int
    old: str
    new: str
    reason: str
    message: str
    node: str
    at: datetime


_EVENTS = """
SELECT seq, id, task_execution_id, task_id, attempt, old, new, reason, message, node, at FROM workflows_event
 WHERE run_id = %(run)s AND seq > %(since)s AND seq < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
   AND seq <= COALESCE(
       (SELECT seq FROM workflows_event WHERE run_id = %(run)s AND seq > %(since)s
           AND seq < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
         ORDER BY seq, id OFFSET %(limit)s - 1 LIMIT 1), 9223372036854775807)
 ORDER BY seq, id
"""


def events_since(run_id: int, since: int = 0, *, limit: int = 1000) -> list[EventRow]:
    """Events of a run after sequence number `since`, in order; pass the last one's `seq` to go on.

    No event is missed or told twice: only those are told that no running transaction can still precede. All events
    of one transaction share a number and come together, so that a page may be longer than `limit`.
    """
    rows = sql.run(_EVENTS, {"run": run_id, "since": since, "limit": limit})
    names = EventRow.__dataclass_fields__
    return [EventRow(**dict(zip(names, row, strict=True))) for row in rows]


def log_chunks(execution_id: int, attempt: int, *, after: int = -1, limit: int = 200) -> list[LogChunk]:
    """Chunks of an attempt's log with a sequence number above `after`, in order."""
    chunks = LogChunk.objects.filter(task_execution_id=execution_id, attempt=attempt, seq__gt=after)
    return list(chunks.order_by("seq")[:limit])


def all_log_chunks(execution_id: int, attempt: int) -> Iterator[LogChunk]:
    """Every stored chunk of an attempt's log, in order, read in pages."""
    after = -1
    while page := log_chunks(execution_id, attempt, after=after):
        yield from page
        after = page[-1].seq


def state_counts(run_id: int) -> dict[TaskState, int]:
    """How many task executions of a run, items included, are in each state; states without any are left out."""
    rows = sql.run("SELECT state, count(*) FROM workflows_taskexecution WHERE run_id = %s GROUP BY state", (run_id,))
    return {TaskState(state): count for state, count in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many of a run's tasks are in each state; the items of mapped tasks apart, by the task's position."""

    tasks: dict[TaskState, int]
    items: dict[int, dict[TaskState, int]]

    @property
    def all_items(self) -> dict[TaskState, int]:
        """The items of all mapped tasks together."""
        total: dict[TaskState, int] = {}
        for counts in self.items.values():
            for state, count in counts.items():
                total[state] = total.get(state, 0) + count
        return total


_COUNTS = """
SELECT CASE WHEN map_index >= 0 THEN position ELSE -1 END, state, count(*) FROM workflows_taskexecution
 WHERE run_id = %s GROUP BY 1, 2
"""


def counts(run_id: int) -> Counts:
    """The counts of a run, in one query."""
    found = Counts(tasks={}, items={})
    for position, state, count in sql.run(_COUNTS, (run_id,)):
        where = found.tasks if position < 0 else found.items.setdefault(position, {})
        where[TaskState(state)] = count
    return found


def is_over(run_id: int) -> bool:
    """Whether the run has ended."""
    return DagRun.objects.filter(pk=run_id, ended_at__isnull=False).exists()
