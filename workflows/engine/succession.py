"""Runs that start because runs of other DAGs succeeded: `schedule: {after: …}`.

The events are the outbox: a success is a row that was committed with it, and a cursor says how far the rows were read.
The runs that follow from some events are inserted in the transaction that moves the cursor past them, so that a crash
repeats the step and loses nothing; and there is one run for each logical date anyway.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from workflows.core.errors import CeleriacError
from workflows.engine import sql
from workflows.engine.launch import Origin, launch_once
from workflows.models import DagRun, Schedule

log = logging.getLogger(__name__)
BATCH = 50  # successes dealt with in one transaction
BATCHES = 20  # in one sweep
# A run inside another one is a part of that; a backfill says itself whether it goes on to the DAGs below.
NOT_COUNTED = ("subdag", "backfill")

_IS_NEEDED = "SELECT 1 FROM workflows_schedule s WHERE jsonb_typeof(s.spec -> 'after') = 'array' LIMIT 1"
_LOCK = "SELECT seq FROM workflows_eventcursor WHERE name = 'after' FOR UPDATE SKIP LOCKED"
# All successes of one transaction share a number and are read together; those that a transaction still running may
# precede are left for later.
_SUCCESSES = """
WITH told AS (
    SELECT e.seq, e.id, e.run_id, e.at FROM workflows_event e
     WHERE e.task_execution_id IS NULL AND e.new = 'success'
       AND e.seq >= %(seq)s AND e.seq < pg_snapshot_xmin(pg_current_snapshot())::text::bigint
     ORDER BY e.seq, e.id LIMIT 1000
), page AS (
    SELECT * FROM told WHERE seq <= (SELECT seq FROM told ORDER BY seq, id OFFSET LEAST(
        %(limit)s, (SELECT count(*) FROM told)) - 1 LIMIT 1)
)
SELECT p.seq, p.at, r.id, d.dag_id, r.logical_date, r.interval_start, r.trigger
  FROM page p JOIN workflows_dagrun r ON r.id = p.run_id JOIN workflows_dag d ON d.id = r.dag_id ORDER BY p.seq, p.id
"""
_MOVE = "UPDATE workflows_eventcursor SET seq = %s, at = now() WHERE name = 'after'"
_FOLLOWERS = """
SELECT s.id, d.dag_id, ARRAY(SELECT jsonb_array_elements_text(s.spec -> 'after'))
  FROM workflows_schedule s JOIN workflows_dag d ON d.id = s.dag_id
 WHERE jsonb_typeof(s.spec -> 'after') = 'array' AND s.spec -> 'after' @> to_jsonb(%s::text) AND s.cursor <= %s
   AND d.paused_at IS NULL AND d.deleted_at IS NULL ORDER BY s.id
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Success:
    """A run that succeeded, and when."""

    seq: int
    at: datetime
    run_id: int
    dag_id: str
    logical_date: datetime | None
    interval_start: datetime | None
    trigger: str


def follow_successes() -> int:
    """Start what follows from the successes since the last look; returns how many runs started."""
    if not sql.run(_IS_NEEDED):
        return 0
    started = 0
    for _ in range(BATCHES):
        found = _batch()
        started += found.started
        if not found.more:
            break
    return started


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What came of a batch, and whether there may be another."""

    started: int = 0
    more: bool = False


def _batch() -> Batch:
    with sql.on_django(), transaction.atomic():
        position = sql.run(_LOCK)
        if not position:
            return Batch()  # another reconciler reads, or nothing is to be read
        names = Success.__dataclass_fields__
        asked = {"seq": position[0][0], "limit": BATCH}
        rows = sql.run(_SUCCESSES, asked)
        found = [Success(**dict(zip(names, row, strict=True))) for row in rows]
        if not found:
            return Batch()
        started = sum(_follow(success) for success in found)
        sql.run(_MOVE, (found[-1].seq + 1,))
        return Batch(started=started, more=len(found) >= BATCH)


def _follow(success: Success) -> int:
    """Start the runs of the DAGs that run after this one, where nothing else is missing for the logical date."""
    if success.logical_date is None or success.trigger in NOT_COUNTED:
        return 0
    started = 0
    for schedule_id, dag_id, upstream in sql.run(_FOLLOWERS, (success.dag_id, success.at)):
        if _all_succeeded(upstream, success.logical_date):
            started += _start(schedule_id, dag_id, success)
    return started


def _all_succeeded(upstream: list[str], logical_date: datetime) -> bool:
    runs = DagRun.objects.filter(dag__dag_id__in=upstream, logical_date=logical_date, state="success", deleted_at=None)
    there = runs.exclude(trigger__in=NOT_COUNTED).values_list("dag__dag_id", flat=True)
    return set(there) == set(upstream)


def _start(schedule_id: int, dag_id: str, success: Success) -> bool:
    origin = Origin(cause_id=success.run_id, interval_start=success.interval_start)
    try:
        launched = launch_once(
            dag_id, trigger="after", logical_date=success.logical_date, on_commit=True, origin=origin
        )
    except CeleriacError as error:
        message = f"no run after run {success.run_id} of {success.dag_id}: {error}"
        log.warning("%s: %s", dag_id, message)
        Schedule.objects.filter(pk=schedule_id).update(message=message)
        return False
    return launched.created
