"""`manage.py run_list`: the latest runs."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.core.states import RunState
from workflows.management import text
from workflows.management.command import EngineCommand, add_json
from workflows.models import DagRun

FACTS = ("state", "reason", "trigger", "external_id", "logical_date", "created_at", "started_at", "ended_at")


class Command(EngineCommand):
    """List runs."""

    help = "List the latest runs, newest first."
    example = "  manage.py run_list --dag daily_sales --state failed --limit 5"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--dag", metavar="DAG", help="only runs of this DAG")
        parser.add_argument("--state", choices=[state.value for state in RunState], help="only runs in this state")
        parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most so many (default 20)")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        runs = DagRun.objects.live().select_related("dag", "version").order_by("-id")
        if options["dag"]:
            runs = runs.filter(dag__dag_id=options["dag"])
        if options["state"]:
            runs = runs.filter(state=options["state"])
        found = list(runs[: max(0, options["limit"])])
        if options["json"]:
            self.say_json([_data(run) for run in found])
        elif found:
            head = ["run", "dag", "version", "state", "trigger", "created", "time", "why"]
            self.stdout.write("\n".join(text.table(head, map(_row, found))))


def _row(run: DagRun) -> list[str]:
    return [
        str(run.pk),
        run.dag.dag_id,
        f"v{run.version.number}",
        run.state + (", paused" if run.paused_at and not run.ended_at else ""),
        run.trigger,
        text.moment(run.created_at),
        text.seconds(run.started_at, run.ended_at),
        run.reason,
    ]


def _data(run: DagRun) -> dict[str, Any]:
    facts = {name: getattr(run, name) for name in FACTS}
    return {"id": run.pk, "dag_id": run.dag.dag_id, "version": run.version.number, **facts}
