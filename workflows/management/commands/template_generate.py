"""`manage.py template_generate`: a DAG from a template."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from workflows.core.errors import InvalidDocument
from workflows.engine import templates
from workflows.management import diff_view, documents, template_view, text
from workflows.management.command import EngineCommand, add_json
from workflows.models import DagVersion


class Command(EngineCommand):
    """Generate a DAG."""

    help = (
        "Generate a DAG from a template and publish it. With --dry-run the document is written instead, with --diff "
        "what would change in the DAG that has the id."
    )
    example = "  manage.py template_generate table_export --id export_orders --value table=shop.orders"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        add = parser.add_argument
        add("template", metavar="TEMPLATE", help="name of the template")
        add("--id", dest="dag_id", metavar="DAG", help="id of the DAG; default: the one that the template gives")
        add("--value", action="append", default=[], metavar="K=V", help="a parameter of the template; repeatable")
        add("--note", default="", help="a remark kept with a new version")
        add("--adopt", action="store_true", help="take over a DAG that was not made from this template")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--dry-run", action="store_true", help="write the document; publish nothing")
        how.add_argument("--diff", action="store_true", help="write what would change; publish nothing")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Generate, and publish or show."""
        name, dag_id = options["template"], options["dag_id"]
        values = template_view.values_of(templates.opened(templates.find(name)), options["value"])
        if options["dry_run"] or options["diff"]:
            return self._show(name, templates.draft(name, values, dag_id=dag_id), options)
        before = DagVersion.objects.order_by("-id").values_list("id", flat=True).first() or 0
        try:
            version = templates.generate(name, values, dag_id=dag_id, adopt=options["adopt"], note=options["note"])
        except InvalidDocument as error:
            raise documents.Unfit(Path(name), error.problems) from error
        is_new = version.pk > before
        if options["json"]:
            self.say_json({"dag_id": version.dag.dag_id, "version": version.number, "new": is_new})
        else:
            word = "new" if is_new else "unchanged"
            tasks = text.counted(version.task_count, "task")
            self.stdout.write(f"{version.dag.dag_id} v{version.number} ({word}) {tasks}")
        return None

    def _show(self, name: str, made: templates.Draft, options: dict[str, Any]) -> None:
        template_view.refuse(name, made)
        if options["json"]:
            shown = {"dag_id": made.dag_id, "document": made.document, "version": made.version}
            self.say_json({**shown, "diff": diff_view.data(made.difference)})
        elif options["diff"]:
            diff_view.write(self, made.dag_id, made.difference)
        else:
            self.stdout.write(made.text, ending="")
        if made.adopts and not options["adopt"]:
            self.stderr.write(f"DAG {made.dag_id!r} was not made from this template: publishing needs --adopt.")
            sys.exit(1)
