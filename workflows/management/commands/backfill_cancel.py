"""`manage.py backfill_cancel`: start no further run of a backfill, for good."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import backfill
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Cancel a backfill."""

    help = "Start no further run of a backfill and of those downstream; with --runs its runs that go on are cancelled."
    example = "  manage.py backfill_cancel 3 --runs"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("backfill", type=int, metavar="BACKFILL", help="number of the backfill")
        parser.add_argument("--runs", action="store_true", help="cancel its runs too; what runs is killed")

    def handle(self, *args: Any, **options: Any) -> None:
        """Cancel it."""
        pk = options["backfill"]
        changed = backfill.cancel(pk, runs=options["runs"], by="the command line")
        self.stdout.write(f"backfill {pk} is cancelled" if changed else f"backfill {pk} was over already")
