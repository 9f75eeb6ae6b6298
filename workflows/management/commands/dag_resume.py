"""`manage.py dag_resume`: new runs of a DAG again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import control
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Resume a DAG."""

    help = "Allow new runs of a paused DAG again."
    example = "  manage.py dag_resume daily_sales"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("dag", metavar="DAG", help="id of the DAG")

    def handle(self, *args: Any, **options: Any) -> None:
        """Resume it."""
        dag_id = options["dag"]
        changed = control.resume_dag(dag_id)
        self.stdout.write(f"{dag_id} takes new runs again" if changed else f"{dag_id} was not paused")
