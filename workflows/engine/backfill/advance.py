"""Go on with every running backfill: start the runs that there is room for, and end those that are over.

Every step is one short transaction that holds the backfill's row, so that two reconcilers never start the same date; a
date and its run are written together, so that a crash leaves both or none.
"""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import LiteralString

from django.db import transaction

from workflows.core.errors import BadParams, CeleriacError, DagPaused, NoVersion, UnknownDag
from workflows.engine import launch, sql
from workflows.engine.backfill.dates import RUNNING, SUCCESS, standing
from workflows.engine.backfill.progress import OUTCOME
from workflows.models import Backfill, BackfillDate, Dag, DagRun

log = logging.getLogger(__name__)
BATCH = 50  # runs that one sweep starts, of all backfills together: its other repairs must not wait for long


def advance() -> int:
    """One look at every running backfill; returns how many dates moved. A backfill that fails does not hold others."""
    moved = 0
    running = sql.run("SELECT id FROM workflows_backfill WHERE state = 'running' ORDER BY id LIMIT 500")
    share = max(1, BATCH // max(1, len(running)))
    for (pk,) in running:
        try:
            moved += advance_one(pk, share)
        except Exception as error:
            if sql.is_lost(error):
                raise
            log.exception("backfill %d cannot go on", pk)
    return moved


def advance_one(pk: int, most: int = BATCH) -> int:
    """Start what one backfill may start now; returns how many dates moved."""
    for moved in range(most):
        if not _step(pk):
            return moved
    return most


def _step(pk: int) -> bool:
    """Move one date on; False when there is nothing to do, or another reconciler is at it."""
    with sql.on_django(), transaction.atomic():
        rows = Backfill.objects.select_for_update(no_key=True, skip_locked=True, of=("self",)).select_related("dag")
        row = rows.filter(pk=pk, state="running").first()
        if row is None:
            return False
        _settle(row)
        _skip(row)
        open_dates = BackfillDate.objects.filter(backfill=row, state__in=("waiting", "started"))
        if open_dates.filter(state="started").count() >= row.concurrency:
            return False
        date = _next(row)
        if date is not None:
            return _start(row, date)
        if not open_dates.exists():
            Backfill.objects.filter(pk=row.pk).update(state="done", ended_at=datetime.now(UTC), message="")
        return False


_SETTLE = """
UPDATE workflows_backfilldate d SET state = r.state FROM workflows_dagrun r
 WHERE d.backfill_id = %s AND d.state = 'started' AND r.id = d.run_id AND r.ended_at IS NOT NULL
"""


def _settle(row: Backfill) -> None:
    """Keep how the runs ended, for when they are pruned."""
    sql.run(_SETTLE, (row.pk,))


_ABOVE: LiteralString = f"""
    SELECT {OUTCOME} AS outcome FROM workflows_backfilldate d LEFT JOIN workflows_dagrun r ON r.id = d.run_id
     WHERE d.backfill_id = ANY(%s::bigint[]) AND d.logical_date = mine.logical_date
"""  # noqa: S608
_SKIP: LiteralString = f"""
UPDATE workflows_backfilldate mine SET state = 'skipped', message = 'the run before it did not succeed'
 WHERE mine.backfill_id = %s AND mine.state = 'waiting' AND EXISTS (
       SELECT 1 FROM ({_ABOVE}) above WHERE outcome IN ('failed', 'cancelled', 'refused', 'skipped'))
"""  # noqa: S608
_READY: LiteralString = f"""
SELECT mine.id FROM workflows_backfilldate mine
 WHERE mine.backfill_id = %s AND mine.state = 'waiting'
   AND NOT EXISTS (SELECT 1 FROM ({_ABOVE}) above WHERE outcome <> 'success')
"""  # noqa: S608
_OLDEST: LiteralString = _READY + " ORDER BY mine.logical_date LIMIT 1"
_NEWEST: LiteralString = _READY + " ORDER BY mine.logical_date DESC LIMIT 1"


def _skip(row: Backfill) -> None:
    """Of a child: give up the dates for which a DAG before it has not succeeded."""
    if row.waits_for:
        sql.run(_SKIP, (row.pk, row.waits_for))


def _next(row: Backfill) -> BackfillDate | None:
    found = sql.run(_NEWEST if row.newest_first else _OLDEST, (row.pk, row.waits_for))
    return BackfillDate.objects.get(pk=found[0][0]) if found else None


def _start(row: Backfill, date: BackfillDate) -> bool:
    Dag.objects.select_for_update(no_key=True).get(pk=row.dag_id)  # backfills of one DAG take turns with its dates
    there = None if row.which == "all" else _there(row, date)
    try:
        run_id = there or _launch(row, date)
    except (DagPaused, NoVersion, UnknownDag) as error:
        return _wait(row, error)
    except BadParams as error:
        BackfillDate.objects.filter(pk=date.pk).update(state="refused", message=str(error))
        return True
    BackfillDate.objects.filter(pk=date.pk).update(state="started", run_id=run_id, message="")
    Backfill.objects.filter(pk=row.pk).exclude(message="").update(message="")
    return True


def _there(row: Backfill, date: BackfillDate) -> int | None:
    """A run that somebody else has made for the date since the backfill was started, and that makes ours needless."""
    stands = standing(row.dag_id, [date.logical_date])[date.logical_date]
    if stands not in (SUCCESS, RUNNING):
        return None
    runs = DagRun.objects.filter(
        dag_id=row.dag_id, logical_date=date.logical_date, parent__isnull=True, deleted_at__isnull=True
    )
    good = runs.filter(state="success") if stands == SUCCESS else runs.unfinished()
    return good.order_by("-id").values_list("pk", flat=True).first()


def _launch(row: Backfill, date: BackfillDate) -> int:
    run = launch.launch(
        row.dag.dag_id,
        params=row.params,
        trigger="backfill",
        logical_date=date.logical_date,
        user=row.created_by,
        on_commit=True,
        origin=launch.Origin(interval_start=date.interval_start, backfill_id=row.pk),
    )
    return run.pk


def _wait(row: Backfill, error: CeleriacError) -> bool:
    """No run can be made now: say why, and look again at the next sweep."""
    Backfill.objects.filter(pk=row.pk).exclude(message=str(error)).update(message=str(error))
    return False
