"""`manage.py dag_validate`: every problem of a document, with its place; needs no server."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from workflows.management import documents, text
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Check documents."""

    help = (
        "Check DAG documents and report every problem as FILE:LINE: path: message [code]; exit 1 if there is "
        "any. Without a database the names of pools are not checked."
    )
    example = "  manage.py dag_validate examples/ my_dag.yaml"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", nargs="+", metavar="FILE", help=documents.FILES_HELP)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Check each."""
        catalogue, whole = documents.Catalogue.best()
        found: list[dict[str, Any]] = []
        paths = documents.files(options["file"])
        catalogue = documents.knowing(catalogue, paths)
        for path in paths:
            parsed = documents.check_file(path, catalogue)
            found += [{"file": str(path), **asdict(problem)} for problem in parsed.problems]
            if options["json"]:
                continue
            for problem in parsed.problems:
                self.stdout.write(documents.in_place(path, problem))
            if not parsed.problems and parsed.spec is not None:
                self.stdout.write(
                    f"{path}: {parsed.spec.id}, {text.counted(len(parsed.spec.tasks), 'task')}: no problems"
                )
        if options["json"]:
            self.say_json(found)
        if not whole:
            self.stderr.write("The database cannot be reached, so that names of pools were not checked.")
        if found:
            sys.exit(1)
