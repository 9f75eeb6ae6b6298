"""`manage.py dag_delete`: take a DAG out of use."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import deletion
from workflows.engine.deletion import DagDeletion
from workflows.management import text
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Delete a DAG, softly."""

    help = (
        "Take a DAG out of use: it is hidden, takes no new runs, and its schedule stops. Versions and runs stay until "
        "`prune`; `dag_restore`, or publishing its id again, brings it back with them."
    )
    example = "  manage.py dag_delete daily_sales --preview\n  manage.py dag_delete daily_sales --cancel-runs"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("dag", metavar="DAG", help="id of the DAG")
        parser.add_argument(
            "--cancel-runs", action="store_true", help="cancel its unfinished runs; else they are a refusal"
        )
        parser.add_argument("--preview", action="store_true", help="say what it touches, and delete nothing")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Preview or delete."""
        dag_id = options["dag"]
        shown = deletion.preview_dag(dag_id)
        if not options["preview"]:
            deletion.delete_dag(dag_id, cancel_runs=options["cancel_runs"], by="the command line")
        if options["json"]:
            self.say_json({**asdict(shown), "deleted": not options["preview"]})
            return
        if not options["preview"]:
            self.stdout.write(f"{dag_id} is deleted; `manage.py dag_restore {dag_id}` brings it back")
        self.stdout.write("\n".join(lines_of(shown)))


def lines_of(shown: DagDeletion) -> list[str]:
    """What is touched."""
    found = [f"{text.counted(shown.runs, 'run')} kept until pruned"]
    if shown.unfinished:
        found.append(f"unfinished runs, to be cancelled: {', '.join(map(str, shown.unfinished[:20]))}")
    if shown.backfills:
        found.append(f"backfills, to be cancelled: {', '.join(map(str, shown.backfills))}")
    if shown.has_schedule:
        found.append("its schedule stops")
    if shown.used_by:
        found.append(f"DAGs that use it, and will miss it: {', '.join(shown.used_by)}")
    return found
