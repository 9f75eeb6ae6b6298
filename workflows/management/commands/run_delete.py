"""`manage.py run_delete`: hide a run until it is pruned."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import deletion
from workflows.management import text
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Delete a run, softly."""

    help = (
        "Hide a run that has ended from every list, with the runs of its sub-DAGs; `prune` deletes it "
        "RETENTION_DELETED_DAYS later. Until then `run_restore` brings it back."
    )
    example = "  manage.py run_delete 12"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")
        parser.add_argument("--preview", action="store_true", help="say what it touches, and delete nothing")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Preview or delete."""
        run_id = options["run"]
        shown = deletion.preview_run(run_id)
        done = False if options["preview"] else deletion.delete_run(run_id)
        if options["json"]:
            self.say_json({**asdict(shown), "deleted": done})
            return
        touched = text.counted(shown.tasks, "task")
        if shown.children:
            touched += f" and {text.counted(len(shown.children), 'run')} of its sub-DAGs"
        if options["preview"]:
            self.stdout.write(f"run {run_id} with {touched} would be deleted")
        else:
            self.stdout.write(
                f"run {run_id} with {touched} is deleted" if done else f"run {run_id} was deleted already"
            )
