"""`manage.py run_logs`: what a task wrote."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.management import log_view
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Show a task's log."""

    help = "Show the log of a task's last attempt, or of the one named; with --follow until the task has ended."
    example = "  manage.py run_logs 12 clean --follow"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")
        parser.add_argument("task", metavar="TASK", help="id of the task; one of many as TASK[INDEX]")
        parser.add_argument("--attempt", type=int, metavar="N", help="which attempt (default: the last)")
        parser.add_argument("--follow", action="store_true", help="go on while it is being written")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it out."""
        task = log_view.find_task(options["run"], options["task"])
        number = options["attempt"]
        if number is not None and not 1 <= number <= max(1, task.attempt):
            raise CommandError(f"Task {options['task']!r} has {task.attempt} attempts so far.")
        texts = log_view.followed(task, number) if options["follow"] else log_view.stored(task, number or task.attempt)
        for written in texts:
            self.stdout.write(log_view.harmless(written) if self.stdout.isatty() else written, ending="")
            self.stdout.flush()
