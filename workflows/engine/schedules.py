"""Schedules of DAGs, kept in step with what their current versions say; and what is due next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from workflows.core import due, schedule, validate
from workflows.core.durations import format_duration
from workflows.core.errors import NoSchedule, Problem
from workflows.core.spec import ScheduleSpec, SpecModel
from workflows.engine import plans, sql
from workflows.executors import beat
from workflows.models import Dag, Schedule

# What decides which dates there are. A schedule that changes in these starts from now, as a new one does.
_TIMING = ("cron", "interval", "at", "after", "timezone", "start")

# Successes count from now on when this is the first schedule that follows them; where others do, they are being read.
_READ_ON = """
INSERT INTO workflows_eventcursor (name, seq)
VALUES ('after', pg_snapshot_xmin(pg_current_snapshot())::text::bigint)
ON CONFLICT (name) DO UPDATE SET seq = EXCLUDED.seq, at = now()
  WHERE NOT EXISTS (SELECT 1 FROM workflows_schedule s WHERE jsonb_typeof(s.spec -> 'after') = 'array')
"""


def follow(dag: Dag, spec: ScheduleSpec | None) -> None:
    """Make the DAG's schedule what its new current version says, inside the publisher's transaction.

    A new schedule, and one with new times, starts from now: the dates before are for a backfill.
    """
    row = Schedule.objects.select_for_update().filter(dag=dag).first()
    if spec is None:
        if row is not None:
            remove(row)
        return
    resolved = spec.model_dump(mode="json")
    if spec.after is not None:
        sql.run(_READ_ON)
    if row is None:
        row = Schedule(dag=dag, cursor=sql_now())
    elif any(row.spec.get(name) != resolved[name] for name in _TIMING):
        row.cursor, row.waiting_at, row.message = sql_now(), None, ""
    row.spec = resolved
    arm(row, dag)


@transaction.atomic
def switch(dag_id: str) -> None:
    """Let the schedule follow its DAG, which was paused, resumed, deleted or brought back.

    What came due while a DAG was paused counts as missed. A DAG that is brought back starts from now.
    """
    dag = Dag.objects.get(dag_id=dag_id)
    there = dag.current_version_id is not None and dag.deleted_at is None
    follow(dag, plans.schedule_of(dag.current_version_id) if there else None)


def remove(row: Schedule) -> None:
    """Delete a schedule with beat's entry."""
    beat.drop(row.periodic_task_id)
    row.delete()


def arm(row: Schedule, dag: Dag) -> None:
    """Save the schedule with the time of its next run, and beat's entry with it."""
    spec = spec_of(row)
    live = dag.paused_at is None and dag.deleted_at is None
    row.next_at = next_start(spec, dag.dag_id, row.cursor) if live and row.cursor is not None else None
    if row.pk is None:
        row.save()  # beat's entry names it
    row.periodic_task_id = beat.keep(
        row.periodic_task_id, row.pk, dag.dag_id, spec, enabled=live and row.next_at is not None
    )
    row.save()


def of_dag(dag: Dag) -> Schedule:
    """The schedule of a DAG. Raises NoSchedule."""
    row = Schedule.objects.filter(dag=dag).first()
    if row is None:
        raise NoSchedule(dag_id=dag.dag_id)
    return row


def spec_of(row: Schedule) -> ScheduleSpec:
    """The specification of a stored schedule."""
    return ScheduleSpec.model_validate(row.spec)


def next_start(spec: ScheduleSpec, dag_id: str, cursor: datetime) -> datetime | None:
    """When the next run after the cursor starts."""
    date = schedule.next_after(spec, cursor)
    return None if date is None else due.starts_at(spec, dag_id, date)


def interval_before(dag_key: int, moment: datetime) -> datetime | None:
    """Where the data interval of a run begins that was not started by its DAG's schedule; None without a schedule."""
    row = Schedule.objects.filter(dag_id=dag_key).first()
    return None if row is None else schedule.interval_start(spec_of(row), moment)


def sql_now() -> datetime:
    """The time by PostgreSQL's clock."""
    moment: datetime = sql.run("SELECT clock_timestamp()")[0][0]
    return moment


def read(given: Any) -> tuple[ScheduleSpec | None, tuple[Problem, ...]]:
    """What a document would say under `schedule`: its specification, or every problem of it."""
    document = {"id": "any", "tasks": {"any": {"type": "any"}}, "schedule": given}
    parsed = validate.check(document, validate.Catalogue(types={"any": SpecModel}), validate.Limits())
    found = parsed.spec.schedule if parsed.spec is not None else None
    if found is None and not parsed.problems:
        return None, (Problem(code="missing_field", path="schedule", message="is missing"),)
    return found, parsed.problems


@dataclass(frozen=True, slots=True, kw_only=True)
class Upcoming:
    """One run to come: its logical date in UTC, the same on the clocks of the zone, and when it starts."""

    logical_date: datetime
    local: datetime
    starts_at: datetime
    interval_start: datetime


def upcoming(spec: ScheduleSpec, dag_id: str, *, count: int, after: datetime | None = None) -> list[Upcoming]:
    """The next runs of a schedule, whether it is a stored one or not."""
    dates = schedule.between(spec, after or sql_now(), datetime.max.replace(tzinfo=ZoneInfo("UTC")), count)
    return [
        Upcoming(
            logical_date=date,
            local=date.astimezone(schedule.zone_of(spec.timezone)),
            starts_at=due.starts_at(spec, dag_id, date),
            interval_start=schedule.interval_start(spec, date),
        )
        for date in dates
    ]


def zone(spec: ScheduleSpec) -> ZoneInfo:
    """The zone of a schedule."""
    return schedule.zone_of(spec.timezone)


def words(spec: ScheduleSpec) -> str:
    """A schedule in one line, for people."""
    return " ".join(_words(spec))


def _words(spec: ScheduleSpec) -> Iterator[str]:
    if spec.cron is not None:
        yield spec.cron
    elif spec.interval is not None:
        yield f"every {format_duration(spec.interval)}"
    elif spec.at is not None:
        yield f"at {spec.at.isoformat(sep=' ')}"
    elif spec.after is not None:
        yield f"after {', '.join(spec.after)}"
        return
    if spec.timezone != "UTC":
        yield spec.timezone


def after_map() -> dict[str, tuple[str, ...]]:
    """Every DAG with those that it runs after: what a document's `after` is checked against."""
    rows: Any = Dag.objects.live().values_list("dag_id", "schedule__spec__after")
    return {dag_id: tuple(after or ()) for dag_id, after in rows}
