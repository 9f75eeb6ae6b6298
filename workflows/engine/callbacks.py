"""From events to callbacks: who is to be told of what, and the message for them.

The events are the outbox: a failure is a row that was committed with it. A cursor says how far they were read; the
callbacks of some events are inserted in the transaction that moves the cursor past them, so that a crash repeats the
step and neither loses nor doubles one. Sending is for `engine.deliveries`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

from psycopg.types.json import Jsonb

from workflows import failpoints
from workflows.core.callbacks import kind_of
from workflows.core.errors import UnknownCallback
from workflows.engine import plans, sql, transitions

PAGE = 500  # events read in one transaction, and those that share their number with the last of them
PAGES = 20  # in one sweep

_BEGIN = "INSERT INTO workflows_eventcursor (name, seq) VALUES ('callbacks', 0) ON CONFLICT DO NOTHING"
_LOCK = "SELECT seq FROM workflows_eventcursor WHERE name = 'callbacks' FOR UPDATE SKIP LOCKED"
_MOVE = "UPDATE workflows_eventcursor SET seq = %s, at = now() WHERE name = 'callbacks'"

# As the index `event_told` has them. Only events that no running transaction can still precede: docs/events.md.
_EVENTS = """
WITH page AS (
    SELECT e.* FROM workflows_event e
     WHERE (e.task_execution_id IS NULL OR e.new IN ('failed', 'retrying'))
       AND e.seq >= %(since)s AND e.seq < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
     ORDER BY e.seq FETCH FIRST %(limit)s ROWS WITH TIES
)
SELECT p.seq, p.id, p.task_execution_id, p.task_id, t.map_index, p.attempt, p.old, p.new, p.reason, p.message, p.at,
       r.id, r.version_id, d.dag_id, d.name, r.trigger, r.logical_date, r.external_id, r.created_at, r.started_at
  FROM page p JOIN workflows_dagrun r ON r.id = p.run_id JOIN workflows_dag d ON d.id = r.dag_id
  LEFT JOIN workflows_taskexecution t ON t.id = p.task_execution_id
 ORDER BY p.seq, p.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """An event with its run."""

    seq: int
    id: int
    execution_id: int | None
    task_id: str
    map_index: int | None
    attempt: int
    old: str
    new: str
    reason: str
    message: str
    at: datetime
    run_id: int
    version_id: int
    dag_id: str
    dag_name: str
    trigger: str
    logical_date: datetime | None
    external_id: str | None
    created_at: datetime
    started_at: datetime | None


def collect() -> int:
    """Note whom the events since the last look are to be told; returns how many callbacks there are to send."""
    noted = 0
    for _ in range(PAGES):
        page = sql.persist(_page)
        noted += page.noted
        if not page.more:
            break
    return noted


def tell_late() -> int:
    """Runs that have not ended by their `late_after`: one event each."""
    return transitions.tell_late()


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """What came of one page of events."""

    noted: int = 0
    more: bool = False


def _page() -> Page:
    with sql.atomically():
        position = sql.run(_LOCK)
        if not position:
            sql.run(_BEGIN)  # the first time; or another reconciler reads
            return Page()
        asked = {"since": position[0][0], "limit": PAGE}
        names = Told.__dataclass_fields__
        rows = sql.run(_EVENTS, asked)
        if not rows:
            return Page()
        told = [Told(**dict(zip(names, row, strict=True))) for row in rows]
        noted = sum(_note(event) for event in told)
        failpoints.hit("callbacks_noted")
        sql.run(_MOVE, (told[-1].seq + 1,))
    return Page(noted=noted, more=len(told) >= PAGE)


_NOTE = """
INSERT INTO workflows_callback (event_id, place, run_id, task_id, kind, target, payload)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (event_id, place) DO NOTHING RETURNING id
"""


def _note(event: Told) -> int:
    """Insert the callbacks of an event; how many."""
    callbacks = plans.callbacks_of(event.version_id)
    if not callbacks:
        return 0
    name = kind_of(of_task=event.execution_id is not None, old=event.old, new=event.new, reason=event.reason)
    noted = 0
    for place, callback in enumerate(callbacks):
        if name is None or name not in callback["on"]:
            continue
        kind = "webhook" if "webhook" in callback else "email"
        target = {**callback[kind], "host": urlsplit(callback[kind]["url"]).netloc if kind == "webhook" else "mail"}
        message = (Jsonb(target), Jsonb(payload(event, name)))
        noted += len(sql.run(_NOTE, (event.id, place, event.run_id, event.task_id, kind, *message)))
    return noted


def payload(event: Told, name: str) -> dict[str, Any]:
    """What is told: the body of a webhook. Parameters and outputs, which may hold secrets, are not in it."""
    task = {
        "id": event.task_id,
        "map_index": event.map_index if event.map_index is not None else -1,
        "attempt": event.attempt,
        "state": event.new,
        "reason": event.reason,
        "message": event.message,
    }
    of_task = event.execution_id is not None
    run = {
        "id": event.run_id,
        "state": "running" if of_task else event.new,
        "reason": "" if of_task else event.reason,
        "message": "" if of_task else event.message,
        "trigger": event.trigger,
        "logical_date": _iso(event.logical_date),
        "external_id": event.external_id,
        "created_at": _iso(event.created_at),
        "started_at": _iso(event.started_at),
    }
    return {
        "id": event.id,
        "event": name,
        "at": _iso(event.at),
        "dag": {
            "id": event.dag_id,
            "name": event.dag_name,
            "version": plans.version_number(event.version_id),
        },
        "run": run,
        "task": task if of_task else None,
    }


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None


_RESEND = """
UPDATE workflows_callback SET state = 'pending', tries = 0, next_try_at = now(), sent_at = NULL, message = ''
 WHERE id = ANY(%s::bigint[]) RETURNING id
"""


def resend(*ids: int) -> int:
    """Send callbacks (again), with all their tries. Raises UnknownCallback when there is none of them."""
    found = len(sql.run(_RESEND, (list(ids),)))
    if not found:
        raise UnknownCallback(callback_id=", ".join(map(str, ids)))
    return found
