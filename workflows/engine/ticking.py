"""Ticks of schedules: start every run that is due. Who ticks, how often, how late and how many at once does not matter.

A tick goes date by date. Each step is one transaction that holds the schedule's row: the run is inserted and the cursor
passes its date, or neither is. So a crash can only repeat a step that was undone, and of several ticks at one time all
but one find the row locked or the date dealt with. The unique logical date of a run is a second lock.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction

from workflows.conf import conf
from workflows.core import schedule
from workflows.core.due import Due, next_due
from workflows.core.errors import CeleriacError, DagPaused
from workflows.core.spec import ScheduleSpec
from workflows.core.states import Reason
from workflows.engine import control, schedules, sql
from workflows.engine.launch import Origin, launch_once
from workflows.models import DagRun, Schedule

log = logging.getLogger(__name__)
WAITS = " waits for run "  # in a schedule's message while it does; `engine.health` looks for it
_DUE = """
SELECT s.id FROM workflows_schedule s JOIN workflows_dag d ON d.id = s.dag_id
 WHERE s.next_at <= now() AND d.paused_at IS NULL AND d.deleted_at IS NULL
 ORDER BY s.next_at LIMIT 500
"""


def tick_due() -> int:
    """Tick every schedule whose next run is due, whatever beat does; returns how many runs started."""
    started = 0
    for (schedule_id,) in sql.run(_DUE):
        try:
            started += tick(schedule_id)
        except Exception as error:
            if sql.is_lost(error):
                raise
            log.exception("schedule %d could not be ticked; the others go on", schedule_id)
    return started


def tick(schedule_id: int) -> int:
    """Deal with what is due of one schedule; returns how many runs started."""
    started = 0
    for _ in range(conf.SCHEDULE_BATCH):
        step = _step(schedule_id)
        started += step.started
        if not step.more:
            break
    return started


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What a step did: whether it started a run, and whether there may be more to do."""

    started: bool = False
    more: bool = False


def _step(schedule_id: int) -> Step:
    with sql.on_django(), transaction.atomic():
        rows = Schedule.objects.select_for_update(of=("self",), skip_locked=True).select_related("dag")
        row = rows.filter(pk=schedule_id, dag__paused_at=None, dag__deleted_at=None).first()
        if row is None or row.cursor is None:
            return Step()
        spec, now = schedules.spec_of(row), schedules.sql_now()
        found = next_due(
            spec,
            row.dag.dag_id,
            cursor=row.cursor,
            now=now,
            grace=timedelta(seconds=conf.SCHEDULE_GRACE),
            seen=row.waiting_at,
        )
        return Step() if found is None else _deal_with(row, spec, found, now)


def _deal_with(row: Schedule, spec: ScheduleSpec, found: Due, now: datetime) -> Step:
    """Start the run of a date, or decide that there is none."""
    if not found.run:
        _pass(row, spec, found, _missed(found))
        return Step(more=True)
    going = list(
        DagRun.objects.unfinished()
        .filter(dag_id=row.dag_id, trigger="schedule")
        .order_by("id")
        .values_list("pk", flat=True)
    )
    if going and spec.overlap != "allow":
        # A time that was missed and is to be made good is neither skipped nor does it end the one before.
        if spec.overlap == "queue" or found.missed:
            _wait(row, f"{_text(found.date)}{WAITS}{going[0]}", row.waiting_at if found.missed else now)
            return Step()
        if spec.overlap == "skip":
            _pass(row, spec, found, f"{_text(found.date)} was skipped: run {going[0]} was still going")
            return Step(more=True)
        for run_id in going:
            control.cancel_run(run_id, reason=Reason.OVERLAP)
    return _launch(row, spec, found)


def _launch(row: Schedule, spec: ScheduleSpec, found: Due) -> Step:
    try:
        launched = launch_once(
            row.dag.dag_id,
            trigger="schedule",
            logical_date=found.date,
            on_commit=True,
            origin=Origin(interval_start=schedule.interval_start(spec, found.date)),
        )
    except DagPaused:
        return Step()
    except CeleriacError as error:
        log.warning("%s: no run for %s: %s", row.dag.dag_id, _text(found.date), error)
        _pass(row, spec, found, f"{_text(found.date)} could not be started: {error}")
        return Step(more=True)
    _pass(row, spec, found, _missed(found) if found.first < found.date else "")
    return Step(started=launched.created, more=True)


def _pass(row: Schedule, spec: ScheduleSpec, found: Due, message: str) -> None:
    """The date is dealt with."""
    row.cursor = found.date
    row.next_at = schedules.next_start(spec, row.dag.dag_id, found.date)
    if message or WAITS in row.message:
        row.message = message
    row.save(update_fields=["cursor", "next_at", "message"])


def _wait(row: Schedule, message: str, seen: datetime | None) -> None:
    """The date stays due. Not a write in every tick: half the grace will do."""
    before = row.waiting_at
    late = seen is not None and (before is None or (seen - before).total_seconds() > conf.SCHEDULE_GRACE / 2)
    if row.message != message or late:
        row.message, row.waiting_at = message, seen
        row.save(update_fields=["message", "waiting_at"])


def _missed(found: Due) -> str:
    if found.first == found.date:
        return f"{_text(found.date)} was missed"
    return f"{_text(found.first)} to {_text(found.date)} were missed"


def _text(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M:%S}"
