"""`manage.py dag_diff`: what changed between two versions of a DAG."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import compare
from workflows.management import diff_view
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Compare versions."""

    help = (
        "Show what changed between two versions of a DAG: tasks added, removed and changed, and the documents as a "
        "unified diff. Without --from it is the version before."
    )
    example = "  manage.py dag_diff daily_sales --from 3 --to 5"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("dag", metavar="DAG", help="id of the DAG")
        parser.add_argument("--from", dest="old", type=int, metavar="N", help="default: the version before")
        parser.add_argument("--to", dest="new", type=int, metavar="M", help="default: the current version")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare them."""
        dag_id = options["dag"]
        found = compare.versions(dag_id, options["old"], options["new"])
        if options["json"]:
            self.say_json({"dag_id": dag_id, "from": found.old, "to": found.new, **diff_view.data(found.difference)})
        else:
            diff_view.write(self, f"{dag_id} v{found.old} → v{found.new}", found.difference)
