"""What a tick of a schedule has to do first: which logical date is to be dealt with, and how."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from workflows.core.schedule import delay_of, next_after, previous_before
from workflows.core.spec import ScheduleSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One step of a tick: the date up to which everything is dealt with after it, and whether that date gets a run.

    `missed` dates are so late that nobody can have ticked when they were due; `first` is the first date of the step.
    """

    date: datetime
    first: datetime
    run: bool
    missed: bool


def next_due(
    spec: ScheduleSpec,
    dag_id: str,
    *,
    cursor: datetime,
    now: datetime,
    grace: timedelta,
    seen: datetime | None = None,
) -> Due | None:
    """The first step after the cursor; None when nothing is due yet.

    A date that is late by no more than `grace` gets its run, whatever `catchup` says. So does one that a tick has seen
    by `seen`: it waited for another run, and was not missed.
    """
    date = next_after(spec, cursor)
    if date is None or starts_at(spec, dag_id, date) > now:
        return None
    if seen is not None and starts_at(spec, dag_id, date) <= seen:
        return Due(date=date, first=date, run=True, missed=False)
    if starts_at(spec, dag_id, date) >= now - grace:
        return Due(date=date, first=date, run=True, missed=False)
    if spec.catchup == "all":
        return Due(date=date, first=date, run=True, missed=True)
    last = _last_missed(spec, date, now - grace)
    following = next_after(spec, last)
    newest = following is None or starts_at(spec, dag_id, following) > now
    return Due(date=last, first=date, run=newest and spec.catchup == "latest", missed=True)


def starts_at(spec: ScheduleSpec, dag_id: str, date: datetime) -> datetime:
    """When the run of a date starts."""
    return date + delay_of(spec, dag_id, date)


def _last_missed(spec: ScheduleSpec, first: datetime, before: datetime) -> datetime:
    """The last date of which it is certain that it was missed, without a look at all those between."""
    found = previous_before(spec, before - timedelta(seconds=spec.jitter))
    return first if found is None else max(first, found)
