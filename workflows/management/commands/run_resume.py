"""`manage.py run_resume`: let a paused run go on."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import control
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Resume a run."""

    help = "Let a paused run go on: tasks that became ready meanwhile start now."
    example = "  manage.py run_resume 12"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")

    def handle(self, *args: Any, **options: Any) -> None:
        """Resume it."""
        changed = control.resume_run(options["run"])
        self.stdout.write(f"run {options['run']} goes on" if changed else f"run {options['run']} was not paused")
