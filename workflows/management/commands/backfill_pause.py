"""`manage.py backfill_pause`: start no further run of a backfill."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import backfill
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Pause a backfill."""

    help = "Start no further run of a backfill until it is resumed; runs that have started go on."
    example = "  manage.py backfill_pause 3"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("backfill", type=int, metavar="BACKFILL", help="number of the backfill")

    def handle(self, *args: Any, **options: Any) -> None:
        """Pause it."""
        pk = options["backfill"]
        changed = backfill.pause(pk)
        self.stdout.write(f"backfill {pk} is paused" if changed else f"backfill {pk} was not running")
