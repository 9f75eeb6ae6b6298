"""`manage.py backfill_retry`: run the dates of a backfill again that did not succeed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import backfill
from workflows.management import text
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Retry a backfill."""

    help = (
        "Run again every date of a backfill that ended without success, in new runs of the DAG's current version. A "
        "backfill that is over goes on."
    )
    example = "  manage.py backfill_retry 3"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("backfill", type=int, metavar="BACKFILL", help="number of the backfill")

    def handle(self, *args: Any, **options: Any) -> None:
        """Retry it."""
        count = backfill.retry(options["backfill"])
        self.stdout.write(f"{text.counted(count, 'date')} to be run again" if count else "no date is without success")
