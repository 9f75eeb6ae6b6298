"""`manage.py backfill_list`: the latest backfills."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.management import backfill_view
from workflows.management.command import EngineCommand, add_json
from workflows.models import Backfill


class Command(EngineCommand):
    """List backfills."""

    help = "List the latest backfills with their progress, newest first."
    example = "  manage.py backfill_list --dag daily_sales --state running"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--dag", metavar="DAG", help="only those of this DAG")
        parser.add_argument("--state", choices=[state for state, _ in Backfill.STATES], help="only those in this state")
        parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most so many (default 20)")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        rows = Backfill.objects.select_related("dag").order_by("-id")
        if options["dag"]:
            rows = rows.filter(dag__dag_id=options["dag"])
        if options["state"]:
            rows = rows.filter(state=options["state"])
        found = list(rows[: max(0, options["limit"])])
        if options["json"]:
            self.say_json(backfill_view.as_json(found))
        elif found:
            self.stdout.write("\n".join(backfill_view.lines(found)))
