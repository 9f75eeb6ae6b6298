"""Backfills as text and as data: their progress, and their dates."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from workflows.core.durations import format_duration
from workflows.core.errors import UnknownBackfill
from workflows.engine.backfill import Preview, Progress, progress_of
from workflows.management import text
from workflows.models import Backfill, BackfillDate

HEAD = ("backfill", "dag", "state", "from", "to", "dates", "progress", "why")
FACTS = (
    *("state", "start", "end", "every", "newest_first", "concurrency", "which", "params", "downstream"),
    *("message", "created_at", "ended_at"),
)


def find(pk: int) -> Backfill:
    """The backfill. Raises UnknownBackfill."""
    found = Backfill.objects.select_related("dag").filter(pk=pk).first()
    if found is None:
        raise UnknownBackfill(backfill_id=pk)
    return found


def as_json(rows: Iterable[Backfill]) -> list[dict[str, Any]]:
    """Backfills with their progress."""
    found = list(rows)
    progress = progress_of(row.pk for row in found)
    return [
        {
            "id": row.pk,
            "dag_id": row.dag.dag_id,
            **{name: getattr(row, name) for name in FACTS},
            "parent": row.parent_id,
            "progress": {"total": progress[row.pk].total, **progress[row.pk].as_dict()},
        }
        for row in found
    ]


def lines(rows: Iterable[Backfill]) -> list[str]:
    """A table of backfills."""
    found = list(rows)
    progress = progress_of(row.pk for row in found)
    return text.table(HEAD, [_row(row, progress[row.pk]) for row in found])


def _row(row: Backfill, progress: Progress) -> list[str]:
    return [
        f"{row.pk}{f' of {row.parent_id}' if row.parent_id else ''}",
        row.dag.dag_id,
        row.state,
        text.moment(row.start),
        text.moment(row.end),
        str(progress.total),
        words(progress),
        text.cut(text.one_line(row.message), 80),
    ]


def words(progress: Progress) -> str:
    """`3 success, 1 running`."""
    return ", ".join(f"{count} {name}" for name, count in progress.as_dict().items())


def title(row: Backfill) -> list[str]:
    """What a backfill is, in two lines."""
    progress = progress_of([row.pk])[row.pk]
    of = f", of backfill {row.parent_id}" if row.parent_id else ""
    why = f" ({row.message})" if row.message else ""
    how = "newest first" if row.newest_first else "oldest first"
    every = f"every {format_duration(row.every)}" if row.every else "by its schedule"
    return [
        f"backfill {row.pk} of {row.dag.dag_id}: {row.state}{why}{of}; {words(progress)}",
        f"{text.moment(row.start)} to {text.moment(row.end)} {every}, {how}, {text.counted(row.concurrency, 'run')} at "
        f"one time, dates: {row.which}",
    ]


def date_lines(row: Backfill, *, most: int) -> list[str]:
    """A table of the dates, those that are over first."""
    dates = BackfillDate.objects.filter(backfill=row).select_related("run").defer("run__params")
    order = "-logical_date" if row.newest_first else "logical_date"
    rows = [
        [
            text.moment(date.logical_date),
            date.run.state if date.run and date.state != "waiting" else date.state,
            str(date.run_id or ""),
            text.cut(text.one_line(date.message), 120),
        ]
        for date in dates.order_by(order)[:most]
    ]
    return text.table(["logical date", "state", "run", "why"], rows)


def preview_lines(shown: Preview) -> list[str]:
    """What would be run, before it is."""
    stands = ", ".join(f"{count} {name}" for name, count in sorted(shown.stands.items()))
    found = [f"{text.counted(shown.in_range, 'date')} in the range" + (f": {stands}" if stands else "")]
    found.append(f"{shown.chosen:,} to be run" + (":" if shown.chosen else ""))
    found += [f"  {text.moment(at)}" for at in shown.first]
    if shown.last and shown.chosen > len(shown.first):
        found.append(f"  … to {text.moment(shown.last)}")
    found += [f"sub-DAGs that run inside: {', '.join(shown.subdags)}"] if shown.subdags else []
    found += [f"backfilled after it, date by date: {', '.join(shown.downstream)}"] if shown.downstream else []
    return found
