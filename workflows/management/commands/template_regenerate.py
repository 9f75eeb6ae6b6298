"""`manage.py template_regenerate`: the DAGs of a template, made anew."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import templates
from workflows.management import diff_view, documents, template_view
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Regenerate DAGs."""

    help = (
        "Generate every DAG of a template again, each with its own values. What does not change stays at its version; "
        "one that fails stops no other; then exit 1. With --dry-run nothing is published."
    )
    example = "  manage.py template_regenerate table_export --dry-run"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("template", metavar="TEMPLATE", help="name of the template")
        parser.add_argument("--dry-run", action="store_true", help="say what would change; publish nothing")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Regenerate, or say what that would do."""
        name, preview = options["template"], options["dry_run"]
        done = templates.regenerate(name, preview=preview)
        if options["json"]:
            self.say_json([{**asdict(each), "difference": diff_view.data(each.difference)} for each in done])
        for each in () if options["json"] else done:
            self.stdout.write(template_view.outcome(each, preview=preview))
            for line in diff_view.lines(each.difference):
                self.stdout.write(f"  {line}")
            for problem in each.problems:
                self.stdout.write(f"  {documents.in_place(Path(name), problem)}")
        if not done and not options["json"]:
            self.stderr.write(f"No DAG was made from template {name!r} yet.")
        if any(each.state == "failed" for each in done):
            sys.exit(1)
