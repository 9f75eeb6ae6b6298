"""`manage.py run_restore`: bring a deleted run back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import deletion
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Restore a run."""

    help = "Show a deleted run again, with the runs of its sub-DAGs, if it has not been pruned yet."
    example = "  manage.py run_restore 12"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore it."""
        run_id = options["run"]
        done = deletion.restore_run(run_id)
        self.stdout.write(f"run {run_id} is back" if done else f"run {run_id} was not deleted")
