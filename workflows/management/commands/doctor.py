"""`manage.py doctor`: is everything there that a run needs, and what mends what is not?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.engine import health
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Look at everything."""

    help = (
        "Check the database, the broker, the workers, the reconciler, the clock, the settings and the disk. Each "
        "line is OK, WARN or FAIL with what mends it; exit 1 if any is FAIL."
    )
    example = "  manage.py doctor"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Check and tell."""
        found: list[health.Check] = []
        for check in health.checks():
            found.append(check)
            if not options["json"]:
                self.stdout.write(f"{check.status.upper():<4}  {check.name}: {check.message}")
                if check.mend:
                    self.stdout.write(f"      {check.mend}")
        if options["json"]:
            self.say_json([asdict(check) for check in found])
        failed = [check.name for check in found if check.status == "fail"]
        if failed:
            raise CommandError(f"Not well: {', '.join(dict.fromkeys(failed))}.")
