"""`manage.py run_pause`: let no further task of a run start."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import control
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Pause a run."""

    help = "Let no further task of a run start until it is resumed. Tasks that run go on."
    example = "  manage.py run_pause 12"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")

    def handle(self, *args: Any, **options: Any) -> None:
        """Pause it."""
        changed = control.pause_run(options["run"])
        self.stdout.write(f"run {options['run']} is paused" if changed else f"run {options['run']} was paused or over")
