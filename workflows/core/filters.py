"""The filters of templates: an allow-list, each with a bound on what it can make."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import quote as url_quote
from urllib.parse import urlencode as url_encode

from jinja2 import Undefined
from jinja2.filters import FILTERS as JINJA_FILTERS

from workflows.core.plain import MAX_CHARS, bounded_join, check_length, json_text, text_of, to_plain


def moment(value: Any) -> datetime:
    """A date and time from itself, a date, or ISO text."""
    if isinstance(value, Undefined):
        str(value)
    if isinstance(value, str):
        return datetime.fromisoformat(value.strip())
    if isinstance(value, datetime):
        return value
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day)
    raise TypeError(f"expected a date or a time, not {text_of(value)}")


def date_text(value: Any, pattern: str = "%Y-%m-%d") -> str:
    """The date as YYYY-MM-DD, or by a strftime pattern."""
    return moment(value).strftime(pattern)


def datetime_text(value: Any, pattern: str | None = None) -> str:
    """The date and time in ISO form to the second, or by a strftime pattern."""
    at = moment(value)
    return at.strftime(pattern) if pattern else at.isoformat(timespec="seconds")


def shift(value: Any, **by: float) -> datetime:
    """A moment moved by weeks, days, hours, minutes or seconds, which may be negative."""
    return moment(value) + timedelta(**by)


def tojson(value: Any, indent: int | None = None) -> str:
    """JSON text of a value."""
    return json_text(value, None if indent is None else max(0, min(int(indent), 8)))


def fromjson(value: Any) -> Any:
    """The value that a JSON text stands for."""
    return to_plain(json.loads(text_of(value)))


def quote(value: Any) -> str:
    """The value as one word of a shell command."""
    return shlex.quote(text_of(value))


def urlencode(value: Any) -> str:
    """A value escaped for a URL, or a mapping as a query string."""
    if isinstance(value, Mapping):
        return url_encode({text_of(key): text_of(item) for key, item in value.items()})
    return url_quote(text_of(value), safe="")


def replace(value: Any, old: str, new: str, count: int = -1) -> str:
    """The text with each occurrence of `old` replaced."""
    text, old, new = text_of(value), text_of(old), text_of(new)
    times = text.count(old) if count < 0 else min(count, text.count(old))
    check_length(len(text) + times * max(0, len(new) - len(old)))
    return text.replace(old, new, count)


def join(value: Iterable[Any], separator: str = "") -> str:
    """The items as text with a separator between them."""
    return bounded_join(text_of(separator), value)


def split(value: Any, separator: str | None = None, maxsplit: int = -1) -> list[str]:
    """The parts of a text between separators (white space when none is given)."""
    return text_of(value).split(separator, maxsplit)


def total(value: Iterable[Any], start: float = 0) -> float:
    """The sum of numbers."""
    result = start
    for item in value:
        if isinstance(item, bool) or not isinstance(item, (int, float)):
            raise TypeError(f"sum needs numbers, not {text_of(item)}")
        result += item
    return result


def rounded(value: float, digits: int = 0) -> float:
    """The number rounded; to a whole number without digits."""
    return round(value, max(-300, min(digits, 300))) if digits else round(value)


def truncate(value: Any, length: int = 255, end: str = "…") -> str:
    """The text cut to a length, with a mark where something is missing."""
    text = text_of(value)
    return text if len(text) <= length else text[: max(0, length - len(end))] + end


def listed(value: Iterable[Any]) -> list[Any]:
    """The items as a list."""
    items = []
    for item in value:
        items.append(item)
        check_length(len(items), MAX_CHARS)
    return items


def _of_text(change: Callable[[str], str]) -> Callable[[Any], str]:
    return lambda value: change(text_of(value))


def trim(value: Any, characters: str | None = None) -> str:
    """The text without white space, or the given characters, at its ends."""
    return text_of(value).strip(characters)


_FROM_JINJA = """
abs count d default dictsort first float int items last length map max min reject rejectattr reverse select
selectattr sort unique
"""

FILTERS: dict[str, Callable[..., Any]] = {
    **{name: JINJA_FILTERS[name] for name in _FROM_JINJA.split()},
    "capitalize": _of_text(str.capitalize),
    "date": date_text,
    "datetime": datetime_text,
    "fromjson": fromjson,
    "join": join,
    "list": listed,
    "lower": _of_text(str.lower),
    "quote": quote,
    "replace": replace,
    "round": rounded,
    "shift": shift,
    "split": split,
    "string": text_of,
    "sum": total,
    "title": _of_text(str.title),
    "tojson": tojson,
    "trim": trim,
    "truncate": truncate,
    "upper": _of_text(str.upper),
    "urlencode": urlencode,
}
