"""`manage.py run_mark`: settle tasks of a run by hand."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.core.states import TaskState
from workflows.engine import surgery
from workflows.management import surgery_view
from workflows.management.command import BY, EngineCommand, add_dry_run, add_json

STATES = (TaskState.SUCCESS, TaskState.FAILED)


class Command(EngineCommand):
    """Mark tasks."""

    help = (
        "Settle tasks of a run by hand, whatever became of them; one that runs is killed. Tasks below them that never "
        "ran are decided anew; what ran stays as it is. A run that is over goes on, if something is left to do."
    )
    example = "  manage.py run_mark 12 success load --dry-run\n  manage.py run_mark 12 failed load report"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")
        parser.add_argument("state", choices=[state.value for state in STATES], help="success or failed")
        parser.add_argument("tasks", nargs="+", metavar="TASK", help="id of a task")
        add_dry_run(parser)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Preview or do it."""
        preview, to = options["dry_run"], TaskState(options["state"])
        touched = surgery.mark(options["run"], options["tasks"], to, by=BY, preview=preview)
        if options["json"]:
            self.say_json(surgery_view.as_json(touched, preview=preview))
        else:
            self.stdout.write("\n".join(surgery_view.lines(touched, preview=preview, marked=to)))
