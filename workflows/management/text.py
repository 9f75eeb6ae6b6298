"""Plain text for terminals: columns, durations, times."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime


def table(head: Sequence[str], rows: Iterable[Sequence[str]], *, width: int | None = None) -> list[str]:
    """Lines of a table with two spaces between columns; cut at `width` cells when it is given."""
    lines = [list(head), *([*row] for row in rows)]
    widths = [max(cells(line[column]) for line in lines) for column in range(len(head))]
    drawn = ("  ".join(_pad(cell, size) for cell, size in zip(line, widths, strict=True)).rstrip() for line in lines)
    return [cut(line, width) if width else line for line in drawn]


def cells(text: str) -> int:
    """How many cells of a terminal a text takes: wide characters (Chinese, emoji) take two, marks none."""
    if text.isascii():
        return len(text)
    return sum(_cell(character) for character in text)


def _cell(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _pad(text: str, size: int) -> str:
    return text + " " * (size - cells(text))


def cut(text: str, width: int) -> str:
    """The text in at most `width` cells, with a mark where it was cut."""
    if cells(text) <= width:
        return text
    kept, used = [], 0
    for character in text:
        used += _cell(character)
        if used > width - 1:
            break
        kept.append(character)
    return "".join(kept) + "…"


def one_line(text: str) -> str:
    """A text of many lines as one, and without what would move the cursor."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def seconds(begin: datetime | None, end: datetime | None) -> str:
    """How long between two moments: 0.12 s, 45 s, 3 m 05 s, 2 h 10 m; nothing when one is unknown."""
    if begin is None or end is None:
        return ""
    total = max(0.0, (end - begin).total_seconds())
    if total < 60:
        return f"{total:.2f} s" if total < 10 else f"{total:.1f} s"
    minutes, rest = divmod(round(total), 60)
    if minutes < 60:
        return f"{minutes} m {rest:02} s"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02} m"


def moment(at: datetime | None) -> str:
    """A time in UTC, to the second."""
    return at.strftime("%Y-%m-%d %H:%M:%S") if at else ""


def counted(count: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
