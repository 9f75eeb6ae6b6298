"""When a schedule is due: logical dates, in UTC, from a specification and a moment. There is no clock here.

A cron line names times on the clocks of its zone. Where those are set forward or back, two rules hold:

* a line that names hours ("30 2 * * *", "0 */2 * * *"): a time that clocks skip is due once, at the first instant after
  the gap; a time that they show twice is due once, the first time;
* a line of every hour ("*/15 * * * *"): whatever clocks show is due, whenever they show it. So an hourly line is due
  once in each real hour: nothing in a gap, where no time passes, and again in the hour that is repeated.

Intervals are counted from `start`, or from 1970-01-01T00:00Z, in real time: no clock matters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from zoneinfo import ZoneInfo

from workflows.core import cron
from workflows.core.spec import ScheduleSpec
from workflows.core.zones import SECOND, changed, instant, instant_after, wall

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MOMENT = timedelta(microseconds=1)
_DAY = timedelta(days=1)
# Whatever is beyond these counts as never, so that no arithmetic runs over the calendar's ends.
_FIRST_YEAR, _LAST_YEAR = 500, 9990
_FARTHEST = timedelta(days=366 * 41)  # between two 29 February on a Monday, across 2100


def next_after(spec: ScheduleSpec, moment: datetime) -> datetime | None:
    """The first logical date after a moment, within the schedule's start and end; None when there is none."""
    start = start_of(spec)
    if start is not None and moment < start:
        moment = start - _MOMENT
    found = _next(spec, moment)
    end = end_of(spec)
    return None if found is None or (end is not None and found >= end) else found


def previous_before(spec: ScheduleSpec, moment: datetime) -> datetime | None:
    """The last logical date before a moment, within the schedule's start and end; None when there is none."""
    end = end_of(spec)
    found = _previous(spec, moment if end is None else min(moment, end))
    start = start_of(spec)
    return None if found is None or (start is not None and found < start) else found


def dates(spec: ScheduleSpec, after: datetime, until: datetime) -> Iterator[datetime]:
    """Every logical date in (after, until], in order."""
    found = next_after(spec, after)
    while found is not None and found <= until:
        yield found
        found = next_after(spec, found)


def between(spec: ScheduleSpec, after: datetime, until: datetime, limit: int) -> list[datetime]:
    """The logical dates in (after, until], in order, at most `limit` of them."""
    return list(islice(dates(spec, after, until), limit))


def interval_start(spec: ScheduleSpec, moment: datetime) -> datetime:
    """Where the data interval begins that ends at a logical date: the scheduled time before it.

    The logical date need not be a scheduled one. A schedule's start and end do not cut the interval off; where there
    was no time before, it is empty.
    """
    return _previous(spec, moment) or moment


def delay_of(spec: ScheduleSpec, dag_id: str, date: datetime) -> timedelta:
    """How much later than its logical date a run starts: always the same for one DAG and date, below `jitter`."""
    if not spec.jitter:
        return timedelta()
    digest = hashlib.sha256(f"{dag_id}@{date.astimezone(UTC).isoformat()}".encode()).digest()
    return timedelta(seconds=spec.jitter * int.from_bytes(digest[:6], "big") / 2**48)


def start_of(spec: ScheduleSpec) -> datetime | None:
    """The instant before which nothing is due."""
    return None if spec.start is None else moment_of(spec.start, spec)


def end_of(spec: ScheduleSpec) -> datetime | None:
    """The instant from which on nothing is due."""
    return None if spec.end is None else moment_of(spec.end, spec)


def moment_of(given: datetime, spec: ScheduleSpec) -> datetime:
    """A time of the document as an instant in UTC: without an offset it is one of the schedule's zone."""
    return given.astimezone(UTC) if given.tzinfo is not None else instant(given, zone_of(spec.timezone))


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo:
    """The zone of a name that is known to be one."""
    return ZoneInfo(name)


def _next(spec: ScheduleSpec, moment: datetime) -> datetime | None:
    if not _FIRST_YEAR < moment.year < _LAST_YEAR:
        return None
    if spec.cron is not None:
        line, zone = cron.read(spec.cron), zone_of(spec.timezone)
        return _shown_after(line, zone, moment) if line.every_hour else _named_after(line, zone, moment)
    if spec.interval is not None:
        step, anchor = timedelta(seconds=spec.interval), _anchor(spec)
        found = anchor + ((moment - anchor) // step + 1) * step
        return found if found.year < _LAST_YEAR else None
    if spec.at is not None:
        at = moment_of(spec.at, spec)
        return at if at > moment else None
    return None


def _anchor(spec: ScheduleSpec) -> datetime:
    return start_of(spec) or EPOCH


def _named_after(line: cron.Line, zone: ZoneInfo, moment: datetime) -> datetime | None:
    """Of a line that names hours. Instants follow the order of local times, so that the first one later is the next."""
    local = wall(moment.replace(microsecond=0), zone) + SECOND
    while (named := line.next_from(local)) is not None and named.year < _LAST_YEAR:
        found = instant(named, zone)
        if found > moment:
            return found
        local = named + SECOND  # shown for the second time just now
    return None


def _shown_after(line: cron.Line, zone: ZoneInfo, moment: datetime) -> datetime | None:
    """Of a line of every hour: walk along the clock's face, day by day, and stop wherever the clock is set."""
    at = moment.astimezone(UTC).replace(microsecond=0) + SECOND
    while True:
        face = wall(at, zone)
        day = line.day_from(face.date())
        if day is None or day.year >= _LAST_YEAR:
            return None
        if day > face.date():
            at = instant_after(datetime.combine(day, datetime.min.time()), zone, at)
            continue
        time = line.time_from(face.time())
        target = datetime.combine(day + _DAY, datetime.min.time()) if time is None else datetime.combine(day, time)
        there = at + (target - face)
        if wall(there, zone) != target:
            at = changed(at, there, zone)
        elif time is not None:
            return there
        else:
            at = there


def _previous(spec: ScheduleSpec, moment: datetime) -> datetime | None:
    if not _FIRST_YEAR < moment.year < _LAST_YEAR:
        return None
    if spec.interval is not None:
        step, anchor = timedelta(seconds=spec.interval), _anchor(spec)
        return anchor - ((anchor - moment) // step + 1) * step
    if spec.at is not None:
        at = moment_of(spec.at, spec)
        return at if at < moment else None
    if spec.cron is None:
        return None
    # One search forward serves both directions: look ever farther back for a date, then halve the rest of the way.
    step = timedelta(minutes=1)
    while (low := _next(spec, moment - step)) is None or low >= moment:
        if step > _FARTHEST:
            return None
        step *= 4
    high = moment
    while high - low > SECOND:
        found = _next(spec, middle := low + (high - low) / 2)
        if found is not None and found < moment:
            low = found
        else:
            high = middle
    last = _next(spec, low)
    return last if last is not None and last < moment else low
