"""What people do to backfills: pause, resume, cancel, retry. A backfill takes its children along."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import LiteralString

from django.db import transaction
from django.db.models import Q

from workflows.core.errors import UnknownBackfill
from workflows.engine import control, sql
from workflows.engine.backfill.progress import OUTCOME
from workflows.models import Backfill, BackfillDate, DagRun


def pause(pk: int) -> bool:
    """Start no further run; False when it was not running. Runs that have started go on."""
    return _switch(pk, expect="running", to="paused")


def resume(pk: int) -> bool:
    """Go on; False when it was not paused."""
    return _switch(pk, expect="paused", to="running")


def _switch(pk: int, *, expect: str, to: str) -> bool:
    with transaction.atomic():
        family = _family(pk)
        moved = [each.pk for each in family if each.state == expect]
        Backfill.objects.filter(pk__in=moved).update(state=to)
    return pk in moved


def cancel(pk: int, *, runs: bool = False, by: str = "") -> bool:
    """Start no further run, for good; with `runs` the runs that it started are cancelled too. False when it was over.

    May be repeated: with `runs`, a repetition cancels what a crash left.
    """
    with transaction.atomic():
        family = [each.pk for each in _family(pk)]
        moved = list(Backfill.objects.filter(pk__in=family, ended_at__isnull=True).values_list("pk", flat=True))
        message = f"cancelled by {by}" if by else ""
        Backfill.objects.filter(pk__in=moved).update(state="cancelled", ended_at=datetime.now(UTC), message=message)
        BackfillDate.objects.filter(backfill_id__in=moved, state="waiting").update(state="cancelled")
    if runs:
        for run_id in DagRun.objects.unfinished().filter(backfill_id__in=family).order_by("id").values_list("pk"):
            control.cancel_run(*run_id, by=by)
    return pk in moved


_AGAIN: LiteralString = f"""
WITH over AS (
    SELECT d.id, {OUTCOME} AS outcome FROM workflows_backfilldate d LEFT JOIN workflows_dagrun r ON r.id = d.run_id
     WHERE d.backfill_id = ANY(%s::bigint[])
)
UPDATE workflows_backfilldate d SET state = 'waiting', message = '', run_id = NULL
  FROM over o WHERE o.id = d.id AND o.outcome IN ('failed', 'cancelled', 'refused', 'skipped')
RETURNING d.backfill_id
"""  # noqa: S608


def retry(pk: int) -> int:
    """Run every date again that ended without success, in new runs of the current version; returns how many.

    A backfill that is over goes on.
    """
    with sql.on_django(), transaction.atomic():
        family = [each.pk for each in _family(pk)]
        again = [row[0] for row in sql.run(_AGAIN, (family,))]
        over = Backfill.objects.filter(pk__in=set(again), ended_at__isnull=False)
        over.update(state="running", ended_at=None, message="")
    return len(again)


def _family(pk: int) -> list[Backfill]:
    """The backfill and its children, locked. Raises UnknownBackfill."""
    rows = Backfill.objects.select_for_update(no_key=True).filter(Q(pk=pk) | Q(parent_id=pk)).order_by("pk")
    found = list(rows)
    if not any(each.pk == pk for each in found):
        raise UnknownBackfill(backfill_id=pk)
    return found
