"""The syntax of cron lines: what is wrong with one, in words. When it fires is another module's business."""

from __future__ import annotations

import re

MACROS = ("@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually")
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
    return None if parts[-1] not in ("*", "?") else _never(values[-3], values[-2])


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
