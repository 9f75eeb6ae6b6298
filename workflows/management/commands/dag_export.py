"""`manage.py dag_export`: a version as the document that it was made from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.engine import publish
from workflows.management import documents
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Write a document."""

    help = "Write the document of a DAG: byte for byte as it was imported, or in the other format."
    example = "  manage.py dag_export daily_sales --version 3 --output daily_sales.yaml"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("dag", metavar="DAG", help="id of the DAG")
        parser.add_argument("--version", dest="number", type=int, metavar="N", help="default: the current one")
        parser.add_argument("--format", choices=["yaml", "json"], help="default: the one that it was given in")
        parser.add_argument("--output", type=Path, metavar="FILE", help="default: stdout")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        version = documents.stored_version(options["dag"], options["number"])
        source = publish.export(version, options["format"])
        if options["output"] is None:
            self.stdout.write(source, ending="")
            return
        try:
            options["output"].write_bytes(source.encode())
        except OSError as error:
            raise CommandError(f"{options['output']} cannot be written: {error.strerror}.") from error
