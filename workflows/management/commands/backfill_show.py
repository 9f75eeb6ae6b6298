"""`manage.py backfill_show`: one backfill with its dates."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.management import backfill_view
from workflows.management.command import EngineCommand, add_json
from workflows.models import BackfillDate


class Command(EngineCommand):
    """Show a backfill."""

    help = "Show a backfill: its progress, its dates with their runs, and the backfills of DAGs downstream."
    example = "  manage.py backfill_show 3"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("backfill", type=int, metavar="BACKFILL", help="number of the backfill")
        parser.add_argument("--limit", type=int, default=100, metavar="N", help="at most so many dates (default 100)")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Show it."""
        row = backfill_view.find(options["backfill"])
        children = list(row.children.select_related("dag").order_by("id"))
        most = max(0, options["limit"])
        if options["json"]:
            dates = BackfillDate.objects.filter(backfill=row).order_by("logical_date")
            facts = ("logical_date", "state", "run_id", "message")
            shown = {
                **backfill_view.as_json([row])[0],
                "children": backfill_view.as_json(children),
                "dates": list(dates.values(*facts)[:most]),
            }
            self.say_json(shown)
            return
        lines = [*backfill_view.title(row), "", *backfill_view.date_lines(row, most=most)]
        lines += ["", *backfill_view.lines(children)] if children else []
        self.stdout.write("\n".join(lines))
