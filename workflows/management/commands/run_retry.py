"""`manage.py run_retry`: run again what did not succeed."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import surgery
from workflows.management import surgery_view
from workflows.management.command import BY, EngineCommand, add_dry_run, add_json


class Command(EngineCommand):
    """Retry what failed in a run."""

    help = (
        "Run again the tasks of a run that failed, were cancelled or never ran because of that, and all that follows "
        "from them; of mapped tasks the items that did not succeed. A run that is over goes on."
    )
    example = "  manage.py run_retry 12 --dry-run"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")
        surgery_view.add_on_version(parser)
        add_dry_run(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Preview or do it."""
        preview = options["dry_run"]
        touched = surgery.retry_failed(options["run"], version=options["on_version"], by=BY, preview=preview)
        if options["json"]:
            self.say_json(surgery_view.as_json(touched, preview=preview))
        else:
            self.stdout.write("\n".join(surgery_view.lines(touched, preview=preview)))
