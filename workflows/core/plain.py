"""Plain data, that is what JSON can say: values as text and as JSON, with a bound on their size."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import date, time, timedelta
from typing import Any

from jinja2 import Undefined

MAX_CHARS = 1_000_000  # of any text that an expression may make
ITEM_CHARS = 8  # what one item of a collection counts as
MAX_DEPTH = 64


class TooLarge(ValueError):
    """An expression would make more than it may."""


def check_length(length: int, limit: int = MAX_CHARS) -> None:
    """Raise TooLarge when a text or a list would be longer than the limit."""
    if length > limit:
        raise TooLarge(f"the result would be longer than {limit:,} characters")


def text_of(value: Any) -> str:
    """A value inside a text: text as it stands, a time in ISO form, anything else as JSON (true, null)."""
    if isinstance(value, str):
        check_length(len(value))
        return str(value)
    if isinstance(value, Undefined):
        return str(value)  # raises: nothing undefined ever becomes text
    if isinstance(value, (date, time)):
        return value.isoformat()
    return json_text(value)


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON of a value. Shared parts are written out, so the copy is bounded before it is encoded."""
    return json.dumps(to_plain(value), ensure_ascii=False, allow_nan=False, indent=indent)


def weight(value: Any) -> int:
    """Characters and items of plain data: what the bounds count."""
    total = 0
    todo = [value]
    while todo:
        part = todo.pop()
        total += len(part) if isinstance(part, str) else ITEM_CHARS
        if isinstance(part, dict):
            todo.extend(part)
            todo.extend(part.values())
        elif isinstance(part, list):
            todo.extend(part)
    return total


def bounded_join(separator: str, parts: Iterable[Any]) -> str:
    """The texts of the parts with a separator between them."""
    texts: list[str] = []
    total = 0
    for part in parts:
        text = text_of(part)
        total += len(text) + len(separator)
        check_length(total)
        texts.append(text)
    return separator.join(texts)


def to_plain(value: Any, limit: int = MAX_CHARS) -> Any:
    """A copy made of dicts with text keys, lists, texts, numbers, booleans and None only.

    Raises TooLarge, or TypeError for what JSON cannot say.
    """
    return _Copier(limit).copy(value, 0)


class _Copier:
    def __init__(self, limit: int) -> None:
        self.left = limit
        self.limit = limit

    def copy(self, value: Any, depth: int) -> Any:
        self._spend(len(value) if isinstance(value, str) else ITEM_CHARS)
        if value is None or isinstance(value, (bool, int)):
            return value
        if isinstance(value, str):
            return str(value)
        if isinstance(value, float):
            if not math.isfinite(value):
                raise TypeError("the number is not finite")
            return value
        if isinstance(value, (date, time)):
            return value.isoformat()
        if isinstance(value, timedelta):
            return value.total_seconds()
        return self._collection(value, depth + 1)

    def _collection(self, value: Any, depth: int) -> Any:
        if isinstance(value, Undefined):
            str(value)  # raises the error that names what was undefined
        if depth > MAX_DEPTH:
            raise TooLarge(f"the result would be nested deeper than {MAX_DEPTH} levels")
        if isinstance(value, Mapping):
            return {self._key(key): self.copy(item, depth) for key, item in value.items()}
        if isinstance(value, Iterable) and not callable(value) and not isinstance(value, (bytes, bytearray)):
            return [self.copy(item, depth) for item in value]
        raise TypeError(f"a {type(value).__name__.strip('_').lower()} is not plain data")

    def _key(self, key: Any) -> str:
        text = text_of(key)
        self._spend(len(text))
        return text

    def _spend(self, amount: int) -> None:
        self.left -= amount
        if self.left < 0:
            raise TooLarge(f"the result would be longer than {self.limit:,} characters")
