"""`manage.py template_show`: what a template takes, and what was made from it."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import templates
from workflows.management import template_view
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Show a template."""

    help = "Show a template: its parameters, and the DAGs made from it with their values."
    example = "  manage.py template_show table_export\n  manage.py template_show table_export --source > mine.yaml"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("template", metavar="TEMPLATE", help="name of the template")
        parser.add_argument("--source", action="store_true", help="write its text instead, byte for byte")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Show it."""
        row = templates.find(options["template"])
        if options["source"]:
            self.stdout.write(row.source, ending="")
            return
        template = templates.opened(row)
        dags = templates.made_from(row)
        if options["json"]:
            self.say_json(template_view.data(row, template, dags))
        else:
            self.stdout.write("\n".join(template_view.lines(row, template, dags)))
