"""`manage.py backfill_resume`: go on with a backfill."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import backfill
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Resume a backfill."""

    help = "Go on with a backfill that was paused."
    example = "  manage.py backfill_resume 3"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("backfill", type=int, metavar="BACKFILL", help="number of the backfill")

    def handle(self, *args: Any, **options: Any) -> None:
        """Resume it."""
        pk = options["backfill"]
        changed = backfill.resume(pk)
        self.stdout.write(f"backfill {pk} goes on" if changed else f"backfill {pk} was not paused")
