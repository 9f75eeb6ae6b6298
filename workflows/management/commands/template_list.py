"""`manage.py template_list`: the templates there are."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count, Q

from workflows.management import text
from workflows.management.command import EngineCommand, add_json
from workflows.models import DagTemplate


class Command(EngineCommand):
    """List templates."""

    help = "List the templates with the number of DAGs made from each."
    example = "  manage.py template_list"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the option."""
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        live = Count("dags", filter=Q(dags__deleted_at__isnull=True))
        rows = DagTemplate.objects.annotate(made=live).order_by("name")
        fields = rows.values("name", "title", "content_hash", "updated_at", "made")
        known: list[dict[str, Any]] = [dict(row) for row in fields]
        if options["json"]:
            self.say_json(known)
        elif known:
            table = [[row["name"], str(row["made"]), text.moment(row["updated_at"]), row["title"]] for row in known]
            self.stdout.write("\n".join(text.table(["template", "DAGs", "updated", "title"], table)))
        else:
            self.stderr.write("There is no template yet: `manage.py template_import FILE` adds one.")
