"""Cron lines: what is wrong with one, in words, and the wall-clock times that it names. Zones: see `core.schedule`."""

from __future__ import annotations

import re
from bisect import bisect_left
from dataclasses import dataclass
from datetime import MAXYEAR, date, datetime, time, timedelta
from functools import lru_cache

MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, dict[str, int]], ...] = (
    ("second", 0, 59, {}),
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: at + 1 for at, name in enumerate(_MONTHS)}),
    ("day of the week", 0, 7, {name: at for at, name in enumerate(_DAYS)}),
)
_ANY = ("*", "?")
_PART = re.compile(r"(?P<all>\*)|(?P<low>\w+)(?:-(?P<high>\w+))?", re.ASCII)
_LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def problem(line: str) -> str | None:
    """What is wrong with a cron line of 5 fields, or 6 with seconds first; None if nothing is."""
    text = line.strip().lower()
    if text.startswith("@"):
        return None if text in MACROS else f"{line!r} is none of {', '.join(MACROS)}"
    parts = text.split()
    if len(parts) not in (5, 6) or len(text) > 500:
        return f"must have 5 fields (minute hour day month weekday), or 6 with seconds first, not {len(parts)}"
    values: list[set[int]] = []
    for part, (name, low, high, names) in zip(parts, _FIELDS[-len(parts) :], strict=True):
        try:
            values.append(_field(part, low, high, names))
        except ValueError as error:
            return f"the {name} {part!r} {error}"
    return None if parts[-1] not in _ANY else _never(values[-3], values[-2])


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """The times on a wall clock that a cron line names; sorted values of each field.

    `days` or `weekdays` are None where the field says `*`: then the other one decides alone. Where both are said, a day
    counts when either does, as cron always had it.
    """

    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: frozenset[int] | None
    months: tuple[int, ...]
    weekdays: frozenset[int] | None

    @property
    def every_hour(self) -> bool:
        """Whether the hour does not matter: such a line follows the clock's face, however often it shows a time."""
        return len(self.hours) == 24

    def on(self, day: date) -> bool:
        """Whether the line names a time on this day."""
        if day.month not in self.months:
            return False
        by_day = self.days is None or day.day in self.days
        by_weekday = self.weekdays is None or day.isoweekday() % 7 in self.weekdays
        return by_day and by_weekday if self.days is None or self.weekdays is None else by_day or by_weekday

    def day_from(self, day: date) -> date | None:
        """The first day from this one on that the line names; None when the calendar ends before."""
        while not self.on(day):
            if day.month not in self.months:
                later = next((month for month in self.months if month > day.month), None)
                if day.year == MAXYEAR and later is None:
                    return None
                day = date(day.year, later, 1) if later else date(day.year + 1, self.months[0], 1)
            elif (day.month, day.day) == (12, 31) and day.year == MAXYEAR:
                return None
            else:
                day += timedelta(days=1)
        return day

    def first(self) -> time:
        """The first time of each day."""
        return time(self.hours[0], self.minutes[0], self.seconds[0])

    def time_from(self, at: time) -> time | None:
        """The first time of a day that is not before `at`; None when there is none left."""
        hour = _at_least(self.hours, at.hour)
        if hour is None:
            return None
        if hour > at.hour:
            return time(hour, self.minutes[0], self.seconds[0])
        minute = _at_least(self.minutes, at.minute)
        if minute is not None:
            if minute > at.minute:
                return time(hour, minute, self.seconds[0])
            second = _at_least(self.seconds, at.second)
            if second is not None:
                return time(hour, minute, second)
            minute = _at_least(self.minutes, at.minute + 1)
            if minute is not None:
                return time(hour, minute, self.seconds[0])
        hour = _at_least(self.hours, hour + 1)
        return None if hour is None else time(hour, self.minutes[0], self.seconds[0])

    def next_from(self, at: datetime) -> datetime | None:
        """The first named time that is not before `at`, both on a wall clock without a zone."""
        day = self.day_from(at.date())
        if day is None:
            return None
        if day == at.date():
            found = self.time_from(at.time())
            if found is not None:
                return datetime.combine(day, found)
            if day == date.max or (day := self.day_from(day + timedelta(days=1))) is None:
                return None
        return datetime.combine(day, self.first())


@lru_cache(maxsize=1024)
def read(line: str) -> Line:
    """The times of a line that has no problem."""
    text = line.strip().lower()
    parts = MACROS.get(text, text).split()
    if len(parts) == 5:
        parts.insert(0, "0")
    values = [_field(part, low, high, names) for part, (_, low, high, names) in zip(parts, _FIELDS, strict=True)]
    return Line(
        seconds=tuple(sorted(values[0])),
        minutes=tuple(sorted(values[1])),
        hours=tuple(sorted(values[2])),
        days=None if parts[3] in _ANY else frozenset(values[3]),
        months=tuple(sorted(values[4])),
        weekdays=None if parts[5] in _ANY else frozenset(value % 7 for value in values[5]),
    )


def _at_least(values: tuple[int, ...], least: int) -> int | None:
    place = bisect_left(values, least)
    return values[place] if place < len(values) else None


def _field(text: str, low: int, high: int, names: dict[str, int]) -> set[int]:
    if text == "?" and high in (31, 7):
        return set(range(low, high + 1))
    values: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        found = _PART.fullmatch(span)
        if found is None:
            raise ValueError("is not a number, a name, a range or *")
        first, last = low, high
        if not found["all"]:
            first = _number(found["low"], names)
            last = _number(found["high"], names) if found["high"] else (high if "/" in part else first)
        if not low <= first <= high or not low <= last <= high:
            raise ValueError(f"is not between {low} and {high}")
        if first > last:
            raise ValueError("is a range that ends before it begins")
        values.update(range(first, last + 1, _step(step) if "/" in part else 1))
    return values


def _number(text: str, names: dict[str, int]) -> int:
    if text in names:
        return names[text]
    if not text.isdigit() or len(text) > 4:
        raise ValueError("is not a number, a name, a range or *")
    return int(text)


def _step(text: str) -> int:
    if not text.isdigit() or len(text) > 4 or int(text) == 0:
        raise ValueError("has a step that is not a whole number above 0")
    return int(text)


def _never(days: set[int], months: set[int]) -> str | None:
    if min(days) > max(_LONGEST[month - 1] for month in months):
        return f"never happens: no such month has a day {min(days)}"
    return None
