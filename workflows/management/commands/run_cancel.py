"""`manage.py run_cancel`: end a run now."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import control
from workflows.management.command import BY, EngineCommand


class Command(EngineCommand):
    """Cancel a run."""

    help = "End a run now: what waits is cancelled, what runs is killed, and so are the runs of its sub-DAGs."
    example = "  manage.py run_cancel 12"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")

    def handle(self, *args: Any, **options: Any) -> None:
        """Cancel it."""
        if control.cancel_run(options["run"], by=BY):
            self.stdout.write(f"run {options['run']} is cancelled")
        else:
            self.stdout.write(f"run {options['run']} was over already")
