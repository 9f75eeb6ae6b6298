"""`manage.py dag_explain`: what the compiler made of a document; needs no server for a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from workflows.core import compiler
from workflows.core.plan import Plan
from workflows.engine import publish
from workflows.management import documents, plan_view
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Explain a plan."""

    help = (
        "Show the plan of a file or of a stored DAG: levels, critical path, and the Celery canvases that it "
        "is sent as, with their queues and the size of their largest message."
    )
    example = "  manage.py dag_explain examples/repository_report.yaml"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("what", metavar="FILE|DAG", help="a document, or the id of a stored DAG")
        parser.add_argument("--version", dest="number", type=int, metavar="N", help="a version of the stored DAG")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Compile or fetch, and show."""
        plan = self._plan(options["what"], options["number"])
        if options["json"]:
            self.say_json(plan_view.data(plan))
        else:
            self.stdout.write("\n".join(plan_view.lines(plan)))

    def _plan(self, what: str, number: int | None) -> Plan:
        path = Path(what)
        if number is None and (path.is_file() or path.suffix in documents.SUFFIXES):
            return self._compiled(path)
        return Plan.from_json(documents.stored_version(what, number).plan)

    def _compiled(self, path: Path) -> Plan:
        catalogue, _ = documents.Catalogue.best()
        parsed = documents.check_file(path, catalogue)
        if parsed.problems or parsed.spec is None:
            raise documents.Unfit(path, parsed.problems)
        return compiler.compile_plan(parsed.spec, publish.bounds())
