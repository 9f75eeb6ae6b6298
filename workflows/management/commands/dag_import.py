"""`manage.py dag_import`: files into versions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.core.validate import Catalogue
from workflows.management import documents, text
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Publish documents; what cannot be published is reported with its place, and the rest goes on."""

    help = (
        "Publish DAG documents (YAML or JSON): a new version if the content is new, otherwise the version "
        "that has it. A directory stands for every document in it."
    )
    example = "  manage.py dag_import examples/ --note 'first import'"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", nargs="+", metavar="FILE", help=documents.FILES_HELP)
        parser.add_argument("--note", default="", help="a remark kept with each new version")
        parser.add_argument("--check", action="store_true", help="only look for problems; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Publish each."""
        paths = documents.files(options["file"])
        refused = 0
        catalogue = documents.knowing(documents.Catalogue.best()[0], paths) if options["check"] else None
        for path in documents.in_order(paths):
            try:
                self._take(path, options, catalogue)
            except CommandError as error:
                if len(paths) == 1:
                    raise
                refused += 1
                self.stderr.write(str(error))
        if refused:
            raise CommandError(f"{refused} of {len(paths)} files could not be imported.")

    def _take(self, path: Path, options: dict[str, Any], catalogue: Catalogue | None) -> None:
        if catalogue is None:
            self.stdout.write(documents.publish_file(path, note=options["note"]).line)
            return
        parsed = documents.check_file(path, catalogue)
        if parsed.problems or parsed.spec is None:
            raise documents.Unfit(path, parsed.problems)
        self.stdout.write(f"{parsed.spec.id} can be imported: {text.counted(len(parsed.spec.tasks), 'task')}")
