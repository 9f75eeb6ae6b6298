"""`manage.py dag_hook`: the secret by which other systems start runs of a DAG."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import hooks
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Make, change or end the secret of a DAG's webhook."""

    help = (
        "Let other systems start runs of a DAG by signed requests: makes a new secret, and shows it this once. "
        "A secret that there was before ends."
    )
    example = "  manage.py dag_hook daily_sales\n  manage.py dag_hook daily_sales --close"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("dag", metavar="DAG", help="id of the DAG")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--keep", action="store_true", help="let the secret before count until the next change")
        how.add_argument("--close", action="store_true", help="end the webhook")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Do it."""
        dag_id = options["dag"]
        if options["close"]:
            closed = hooks.close_hook(dag_id)
            self.stdout.write(f"{dag_id} has no webhook now" if closed else f"{dag_id} had no webhook")
            return
        secret = hooks.open_hook(dag_id, keep=options["keep"])
        if options["json"]:
            self.say_json({"dag_id": dag_id, "secret": secret})
            return
        self.stderr.write(f"POST /api/v1/hooks/{dag_id} starts {dag_id} when it is signed with this secret:")
        self.stdout.write(secret)
