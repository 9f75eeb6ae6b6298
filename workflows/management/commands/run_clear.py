"""`manage.py run_clear`: run a run again from some of its tasks on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import surgery
from workflows.management import surgery_view
from workflows.management.command import BY, EngineCommand, add_dry_run, add_json


class Command(EngineCommand):
    """Run again from here."""

    help = (
        "Run tasks of a run again, whatever became of them, with all that is below them. Refused while one of those is "
        "at work. A run that is over goes on."
    )
    example = "  manage.py run_clear 12 load report --dry-run"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")
        parser.add_argument("tasks", nargs="+", metavar="TASK", help="id of a task; a mapped task is run again whole")
        parser.add_argument("--no-downstream", action="store_true", help="leave what is below them as it is")
        parser.add_argument("--upstream", action="store_true", help="also run again what is above them")
        surgery_view.add_on_version(parser)
        add_dry_run(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Preview or do it."""
        preview = options["dry_run"]
        touched = surgery.clear(
            options["run"],
            options["tasks"],
            downstream=not options["no_downstream"],
            upstream=options["upstream"],
            version=options["on_version"],
            by=BY,
            preview=preview,
        )
        if options["json"]:
            self.say_json(surgery_view.as_json(touched, preview=preview))
        else:
            self.stdout.write("\n".join(surgery_view.lines(touched, preview=preview)))
