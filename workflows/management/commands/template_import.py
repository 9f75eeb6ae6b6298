"""`manage.py template_import`: files into templates."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.core.errors import InvalidDocument
from workflows.engine import templates
from workflows.management import documents, text
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Store templates; what cannot be stored is reported with its place, and the rest goes on."""

    help = (
        "Store templates of DAGs (YAML or JSON), or replace those of the same name. The DAGs that were made from "
        "them stay as they are until `template_regenerate`."
    )
    example = "  manage.py template_import examples/templates/"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("file", nargs="+", metavar="FILE", help=documents.FILES_HELP)
        parser.add_argument("--check", action="store_true", help="only look for problems; change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Store each."""
        paths = documents.files(options["file"])
        refused = 0
        for path in paths:
            try:
                self._take(path, check=options["check"])
            except CommandError as error:
                if len(paths) == 1:
                    raise
                refused += 1
                self.stderr.write(str(error))
        if refused:
            raise CommandError(f"{refused} of {len(paths)} files could not be imported.")

    def _take(self, path: Path, *, check: bool) -> None:
        source, used = documents.read(path), documents.format_of(path)
        if check:
            read = templates.check(source, format=used)
            if read.template is None:
                raise documents.Unfit(path, read.problems)
            self.stdout.write(f"{read.template.name} can be imported")
            return
        try:
            saved = templates.save(source, format=used)
        except InvalidDocument as error:
            raise documents.Unfit(path, error.problems) from error
        word = "new" if saved.created else "changed" if saved.changed else "unchanged"
        name, count = saved.row.name, saved.row.dags.count()
        self.stdout.write(f"{name} ({word}) {text.counted(len(saved.row.document.get('params') or {}), 'parameter')}")
        if saved.changed and count:
            made = f"{text.counted(count, 'DAG')} made from it"
            self.stdout.write(f"  what that means for the {made}: manage.py template_regenerate {name} --dry-run")
