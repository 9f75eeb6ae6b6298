"""`manage.py dag_pause`: no new runs of a DAG."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import control
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Pause a DAG."""

    help = "Refuse new runs of a DAG until it is resumed; runs that have started go on."
    example = "  manage.py dag_pause daily_sales"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("dag", metavar="DAG", help="id of the DAG")

    def handle(self, *args: Any, **options: Any) -> None:
        """Pause it."""
        dag_id = options["dag"]
        changed = control.pause_dag(dag_id)
        self.stdout.write(f"{dag_id} is paused" if changed else f"{dag_id} was paused already")
