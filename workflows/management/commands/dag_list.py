"""`manage.py dag_list`: the DAGs there are."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import F, OuterRef, Subquery

from workflows.management import text
from workflows.management.command import EngineCommand, add_json
from workflows.models import Dag, DagRun


class Command(EngineCommand):
    """List DAGs."""

    help = "List the DAGs with their current version and their last run."
    example = "  manage.py dag_list --tag sales"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--tag", help="only DAGs with this tag")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        last = DagRun.objects.live().filter(dag=OuterRef("pk")).order_by("-id")
        dags = Dag.objects.live().filter(tags__contains=[options["tag"]] if options["tag"] else [])
        known: list[dict[str, Any]] = list(
            dags.values(
                *("dag_id", "name", "owner", "tags", "paused_at"),
                version=F("current_version__number"),
                tasks=F("current_version__task_count"),
                last_run=Subquery(last.values("id")[:1]),
                last_state=Subquery(last.values("state")[:1]),
            )
        )
        if options["json"]:
            self.say_json(known)
        elif known:
            self.stdout.write(
                "\n".join(text.table(["dag", "version", "tasks", "", "last run", "tags"], map(_row, known)))
            )
        else:
            self.stderr.write("There is no DAG yet: `manage.py dag_import FILE` adds one.")


def _row(dag: dict[str, Any]) -> list[str]:
    run = f"{dag['last_run']} {dag['last_state']}" if dag["last_run"] else ""
    version = f"v{dag['version']}" if dag["version"] else ""
    paused = "paused" if dag["paused_at"] else ""
    return [dag["dag_id"], version, str(dag["tasks"] or ""), paused, run, ", ".join(dag["tags"])]
