"""`manage.py schedule_list`: which DAGs run by themselves, and when next."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import schedules
from workflows.management import text
from workflows.management.command import EngineCommand, add_json
from workflows.models import Schedule


class Command(EngineCommand):
    """List schedules."""

    help = "List the schedules with their next run, and what is said about the last times that got none."
    example = "  manage.py schedule_list"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        rows = list(
            Schedule.objects.select_related("dag").filter(dag__deleted_at=None).order_by("next_at", "dag__dag_id")
        )
        if options["json"]:
            self.say_json([_record(row) for row in rows])
        elif rows:
            self.stdout.write(
                "\n".join(text.table(["dag", "schedule", "next run (UTC)", "", "last note"], map(_line, rows)))
            )
        else:
            self.stderr.write("No DAG has a schedule: a document says it under `schedule`.")


def _line(row: Schedule) -> list[str]:
    paused = "paused" if row.dag.paused_at else ""
    said = schedules.words(schedules.spec_of(row))
    return [row.dag.dag_id, said, text.moment(row.next_at) or "–", paused, text.one_line(row.message)]


def _record(row: Schedule) -> dict[str, Any]:
    return {
        "dag_id": row.dag.dag_id,
        "schedule": row.spec,
        "paused": row.dag.paused_at is not None,
        "cursor": row.cursor,
        "next_at": row.next_at,
        "message": row.message,
    }
