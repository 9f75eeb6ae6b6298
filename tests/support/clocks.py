"""An oracle of cron lines that shares nothing with the code under test: it watches a clock, step by step.

A watcher sits before a wall clock of the zone. A line of every hour is due whenever the clock shows a time that it
names. Any other line is due when the clock first reaches or passes a time that it names.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

# Names that stand for no place: a copy of the machine's own zone, and one that tests are told to leave alone.
PLACELESS = {"localtime", "Factory"}
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


@dataclass(frozen=True)
class Change:
    """A moment at which a zone's clock was set, with its offsets before and after."""

    zone: str
    at: datetime
    before: timedelta
    after: timedelta


def changes(zone: str, first_year: int, last_year: int) -> Iterator[Change]:
    """Every change of a zone's clock in a span of years, found by looking at each half day, then minute by minute."""
    info = ZoneInfo(zone)
    at, end = datetime(first_year, 1, 1, tzinfo=UTC), datetime(last_year + 1, 1, 1, tzinfo=UTC)
    before = at.astimezone(info).utcoffset()
    while at < end:
        later = at + timedelta(hours=12)
        if later.astimezone(info).utcoffset() != before:
            minute = at
            while (after := minute.astimezone(info).utcoffset()) == before:
                minute += timedelta(minutes=1)
            assert before is not None
            assert after is not None
            yield Change(zone, minute, before, after)
            before = later.astimezone(info).utcoffset()
        at = later


def zones() -> list[str]:
    """Every IANA zone of this machine."""
    return sorted(available_timezones() - PLACELESS)


def allows(field: str, value: int, low: int, high: int, names: list[str], base: int = 0) -> bool:
    """Whether one field of a line allows a value."""
    for piece in field.lower().split(","):
        body, step = (*piece.split("/"), "1")[:2]
        for place, name in enumerate(names):
            body = body.replace(name, str(place + base))
        if body in ("*", "?"):
            first, last = low, high
        elif "-" in body:
            first, last = (int(part) for part in body.split("-"))
        else:
            first, last = int(body), high if "/" in piece else int(body)
        if first <= value <= last and (value - first) % int(step) == 0:
            return True
    return False


def matches(line: str, local: datetime) -> bool:
    """Whether a line of five fields names this local time."""
    minute, hour, day, month, weekday = line.split()
    if local.second or not allows(minute, local.minute, 0, 59, []) or not allows(hour, local.hour, 0, 23, []):
        return False
    if not allows(month, local.month, 1, 12, _MONTHS, 1):
        return False
    number = local.isoweekday() % 7
    by_day = allows(day, local.day, 1, 31, [])
    by_weekday = allows(weekday, number, 0, 7, _DAYS) or (number == 0 and allows(weekday, 7, 0, 7, _DAYS))
    if day in "*?":
        return by_weekday
    return by_day or by_weekday if weekday not in "*?" else by_day


def watched(line: str, zone: str, after: datetime, until: datetime) -> list[datetime]:
    """Due instants in (after, until], for a line whose minutes are multiples of five."""
    info = ZoneInfo(zone)
    every_hour = all(allows(line.split()[1], hour, 0, 23, []) for hour in range(24))
    found = []
    # The watcher looks every five minutes; every minute in the odd place where the clock was set in between.
    step = timedelta(minutes=1 if after.minute % 5 else 5)
    # Whatever the clock showed before counts as reached: two days are more than any clock was ever set.
    at = after - timedelta(days=2)
    seen = at.astimezone(info).replace(tzinfo=None)
    while at < until:
        at += step
        shown = at.astimezone(info).replace(tzinfo=None)
        if every_hour:
            due = matches(line, shown)
        else:
            passed = seen + step
            due = False
            while passed <= shown and not due:
                due = matches(line, passed)
                passed += step
            seen = max(seen, shown)
        if due and at > after:
            found.append(at)
    return found
