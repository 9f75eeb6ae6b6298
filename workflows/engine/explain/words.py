"""How the gates write moments, spans and lists."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from workflows.core.durations import format_duration

MOST = 20  # rows named in one answer


def span(seconds: float) -> str:
    """`12s`, `3m5s`."""
    return format_duration(round(abs(seconds), 1) if abs(seconds) < 10 else round(abs(seconds)))


def moment(at: datetime) -> str:
    """A moment in UTC, to the second."""
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")


def listed(names: Sequence[str], most: int) -> str:
    """`a, b and c`, or `a, b and more`."""
    shown = [*names[:most], "more"] if len(names) > most else list(names)
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}" if shown else "none"


def many(count: int, noun: str) -> str:
    """`1 task`, `2 tasks`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
