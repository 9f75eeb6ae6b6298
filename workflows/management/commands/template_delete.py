"""`manage.py template_delete`: remove a template."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.core.errors import TemplateInUse
from workflows.engine import templates
from workflows.management import text
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Delete a template."""

    help = "Delete a template. The DAGs made from it stay as they are, without template."
    example = "  manage.py template_delete table_export"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("template", metavar="TEMPLATE", help="name of the template")
        parser.add_argument("--leave-dags", action="store_true", help="also when DAGs were made from it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Delete it."""
        name = options["template"]
        try:
            left = templates.delete(name, leave_dags=options["leave_dags"])
        except TemplateInUse as error:
            raise CommandError(f"{error} (--leave-dags).") from error
        stay = f"; {text.counted(left, 'DAG')} made from it stay" if left else ""
        self.stdout.write(f"{name} is deleted{stay}")
