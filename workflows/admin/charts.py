"""Small pictures as SVG, drawn by the server: no script, and no style but by class."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence

from django.utils import formats, timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from workflows.engine.overview import Ended, Hour

_HEIGHT, _SLOT, _GAP, _FOOT = 120, 26, 6, 20
_CELL, _STEP, _LEFT, _TOP = 12, 15, 0, 18
_WEEKS = 26


def hours(found: Sequence[Hour]) -> SafeString:
    """Runs that ended by the hour: a column each, successes below, failures on them, cancelled runs on top."""
    most = max((hour.ended.total for hour in found), default=0) or 1
    width = len(found) * _SLOT
    columns = format_html_join("", "{}", ((_column(place, hour, most),) for place, hour in enumerate(found)))
    labels = format_html_join(
        "",
        '<text x="{}" y="{}">{}</text>',
        (
            (place * _SLOT + _SLOT / 2, _HEIGHT + _FOOT - 5, f"{timezone.localtime(hour.start):%H}")
            for place, hour in enumerate(found)
            if place % 3 == 0
        ),
    )
    return format_html(
        '<svg class="chart hours" viewBox="0 0 {} {}" role="img" aria-label="{}"><line x1="0" y1="{}" x2="{}" y2="{}"/>'
        "{}{}</svg>",
        *(width, _HEIGHT + _FOOT, _("Runs that ended, by the hour"), _HEIGHT + 0.5, width, _HEIGHT + 0.5),
        columns,
        labels,
    )


def _column(place: int, hour: Hour, most: int) -> SafeString:
    start = timezone.localtime(hour.start)
    title = f"{start:%H:%M}–{start + dt.timedelta(hours=1):%H:%M} · {told(hour.ended)}"
    parts = format_html_join("", '<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>', _parts(place, hour, most))
    return format_html(
        '<g><title>{}</title><rect class="ground" x="{}" y="0" width="{}" height="{}"/>{}</g>',
        *(title, place * _SLOT, _SLOT, _HEIGHT),
        parts,
    )


def _parts(place: int, hour: Hour, most: int) -> Iterator[tuple[str, float, float, float, float]]:
    x, y = place * _SLOT + _GAP / 2, float(_HEIGHT)
    counts = (
        ("ok", hour.ended.success),
        ("fail", hour.ended.failed),
        ("cancel", hour.ended.cancelled),
    )
    for kind, count in counts:
        if count:
            height = round(max(2.0, (_HEIGHT - 6) * count / most), 1)
            y = round(y - height, 1)
            yield kind, x, y, _SLOT - _GAP, height


def calendar(found: Mapping[dt.date, Ended], today: dt.date, weeks: int = _WEEKS) -> SafeString:
    """A cell for each day of the last weeks, Mondays on top: the darker the more runs, other colours with failures."""
    first = today - dt.timedelta(days=today.weekday() + 7 * (weeks - 1))
    days = [first + dt.timedelta(days=number) for number in range((today - first).days + 1)]
    most = max((ended.total for ended in found.values()), default=0) or 1
    cells = format_html_join("", "{}", ((_cell(day, first, found.get(day, Ended()), most),) for day in days))
    return format_html(
        '<svg class="chart calendar" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>',
        *(_LEFT + weeks * _STEP, _TOP + 7 * _STEP, _("Runs that ended, by the day")),
        _months(days, first),
        cells,
    )


def _cell(day: dt.date, first: dt.date, ended: Ended, most: int) -> SafeString:
    week, weekday = divmod((day - first).days, 7)
    kind = _kind(ended)
    level = 0 if not ended.total else min(4, 1 + 4 * ended.total // (most + 1))
    return format_html(
        '<rect class="day {} l{}" x="{}" y="{}" width="{}" height="{}" rx="2"><title>{} · {}</title></rect>',
        *(kind, level, _LEFT + week * _STEP, _TOP + weekday * _STEP, _CELL, _CELL),
        day.isoformat(),
        told(ended),
    )


def _kind(ended: Ended) -> str:
    if not ended.total:
        return "none"
    if not ended.failed:
        return "ok"
    return "fail" if ended.failed * 2 >= ended.total else "some"


def _months(days: Sequence[dt.date], first: dt.date) -> SafeString:
    starts = [day for day in days if day.day <= 7 and day.weekday() == 0]
    return format_html_join(
        "",
        '<text x="{}" y="11">{}</text>',
        ((_LEFT + (day - first).days // 7 * _STEP, formats.date_format(day, "M")) for day in starts),
    )


def told(ended: Ended) -> str:
    """The counts in words."""
    if not ended.total:
        return _("no run")
    parts = [_("%d succeeded") % ended.success]
    if ended.failed:
        parts.append(_("%d failed") % ended.failed)
    if ended.cancelled:
        parts.append(_("%d cancelled") % ended.cancelled)
    return ", ".join(parts)
