"""Beat's entry of a schedule: how often Celery Beat is to tick it.

A tick that comes too often changes nothing, so an entry is as coarse as it may be without making a run late: the
minutes of the hour at which something can be due, or every few seconds where that is not a matter of minutes. Beat's
own notion of zones is not used; the tick works out what is due.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from math import gcd

from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask

from workflows.conf import conf
from workflows.core import cron, schedule
from workflows.core.spec import ScheduleSpec

TICK = "celeriac.schedule"
_QUARTERS = (0, 15, 30, 45)  # all that offsets and changes of clocks amount to, beside whole hours
_LONGEST_PAUSE = 10  # seconds between ticks that do not go by minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class Rhythm:
    """When beat ticks: at minutes of every hour, every so many seconds, or once."""

    minutes: str = ""
    seconds: int = 0
    once: datetime | None = None

    @property
    def expires(self) -> int:
        """After how many seconds a tick that waits is worthless, since others have come."""
        return 2 * _LONGEST_PAUSE if self.seconds else 120


def rhythm_of(spec: ScheduleSpec) -> Rhythm | None:
    """How often to tick; None for a schedule that has no times."""
    if spec.jitter and (spec.cron or spec.interval or spec.at):
        return Rhythm(seconds=_pause(spec.jitter))
    if spec.at is not None:
        return Rhythm(once=schedule.moment_of(spec.at, spec))
    if spec.cron is not None:
        line = cron.read(spec.cron)
        return _at_minutes(line.minutes, spec.timezone) if line.seconds == (0,) else Rhythm(seconds=1)
    if spec.interval is None:
        return None
    anchor = schedule.start_of(spec) or schedule.EPOCH
    if spec.interval % 60 or anchor.second or anchor.microsecond:
        return Rhythm(seconds=_pause(spec.interval))
    step = gcd(int(spec.interval) // 60, 60)
    return _at_minutes(range(anchor.minute % step, 60, step), "UTC")


def _pause(seconds: float) -> int:
    return max(1, min(_LONGEST_PAUSE, int(seconds / 10)))


def _at_minutes(minutes: Iterable[int], zone: str) -> Rhythm:
    quarters = (0,) if zone == "UTC" else _QUARTERS
    found = sorted({(minute + quarter) % 60 for minute in minutes for quarter in quarters})
    return Rhythm(minutes="*" if len(found) == 60 else ",".join(map(str, found)))


def keep(entry: int | None, schedule_id: int, dag_id: str, spec: ScheduleSpec, *, enabled: bool) -> int | None:
    """Make the entry of a schedule what it has to be; returns its id, None when there is none to have.

    An entry that is right already is left alone: each change makes every beat read all entries again.
    """
    found = PeriodicTask.objects.filter(pk=entry).first() if entry is not None else None
    rhythm = rhythm_of(spec)
    if rhythm is None:
        if found is not None:
            found.delete()
        return None
    wanted = _fields(rhythm, schedule_id, dag_id, enabled)
    task = found or PeriodicTask()
    if found is None or any(getattr(task, name) != value for name, value in wanted.items()):
        for name, value in wanted.items():
            setattr(task, name, value)
        task.save()
    pk: int = task.pk
    return pk


def drop(entry: int | None) -> None:
    """Remove an entry."""
    for task in PeriodicTask.objects.filter(pk=entry):
        task.delete()  # one by one: beat learns of it from a signal


def _fields(rhythm: Rhythm, schedule_id: int, dag_id: str, enabled: bool) -> dict[str, object]:
    return {
        "name": f"celeriac schedule {schedule_id}: {dag_id}"[:200],
        "task": TICK,
        "args": json.dumps([schedule_id]),
        "queue": conf.DEFAULT_QUEUE,
        "expire_seconds": rhythm.expires,
        "enabled": enabled,
        "one_off": rhythm.once is not None,
        "description": "Kept by Celeriac: the schedule of the DAG says what it has to be.",
        "crontab": _crontab(rhythm.minutes) if rhythm.minutes else None,
        "interval": _interval(rhythm.seconds) if rhythm.seconds else None,
        "clocked": _clocked(rhythm.once) if rhythm.once else None,
    }


# Not get_or_create(): these tables have no unique constraints, and a pair of equal rows must not be an error for ever.
def _crontab(minutes: str) -> CrontabSchedule:
    fields = {"minute": minutes, "timezone": "UTC"}
    rest = dict.fromkeys(("hour", "day_of_week", "day_of_month", "month_of_year"), "*")
    return CrontabSchedule.objects.filter(**fields, **rest).first() or CrontabSchedule.objects.create(**fields, **rest)


def _interval(seconds: int) -> IntervalSchedule:
    fields = {"every": seconds, "period": IntervalSchedule.SECONDS}
    return IntervalSchedule.objects.filter(**fields).first() or IntervalSchedule.objects.create(**fields)


def _clocked(at: datetime) -> ClockedSchedule:
    return ClockedSchedule.objects.filter(clocked_time=at).first() or ClockedSchedule.objects.create(clocked_time=at)
