"""`manage.py dag_restore`: bring a deleted DAG back."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import deletion
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Restore a DAG."""

    help = "Bring a deleted DAG back, with its versions and what is left of its runs; its schedule starts from now."
    example = "  manage.py dag_restore daily_sales"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("dag", metavar="DAG", help="id of the DAG")

    def handle(self, *args: Any, **options: Any) -> None:
        """Restore it."""
        dag_id = options["dag"]
        done = deletion.restore_dag(dag_id)
        self.stdout.write(f"{dag_id} is back" if done else f"{dag_id} was not deleted")
