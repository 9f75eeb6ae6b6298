"""`manage.py schedule_preview`: the next runs of a DAG, or of a document that is not published."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.core.errors import NoSchedule, UnknownDag
from workflows.core.spec import ScheduleSpec
from workflows.engine import schedules
from workflows.management import documents, text
from workflows.management.command import EngineCommand, add_json
from workflows.models import Dag


class Command(EngineCommand):
    """Preview a schedule."""

    help = "Show when a DAG runs next, on the clocks of its zone and in UTC: a published one, or a file."
    example = "  manage.py schedule_preview daily_sales\n  manage.py schedule_preview my_dag.yaml --count 20"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("dag", metavar="DAG", help="id of the DAG, or a document's file")
        parser.add_argument("--count", type=int, default=10, metavar="N", help="how many runs (default 10)")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Show it."""
        if not 1 <= options["count"] <= 10_000:
            raise CommandError("--count must be between 1 and 10,000.")
        dag_id, spec, after = _found(options["dag"])
        found = schedules.upcoming(spec, dag_id, count=options["count"], after=after)
        if options["json"]:
            self.say_json([_record(each) for each in found])
            return
        self.stderr.write(f"{dag_id}: {schedules.words(spec)}")
        if spec.after is not None:
            self.stderr.write("Its runs follow from those of other DAGs, and have no times of their own.")
        elif not found:
            self.stderr.write("It will not run again.")
        else:
            head = [spec.timezone, "", "UTC", "starts", "data interval from"]
            self.stdout.write("\n".join(text.table(head, map(_line, found))))


def _found(name: str) -> tuple[str, ScheduleSpec, datetime | None]:
    """The DAG's id, its schedule, and from where on to look."""
    path = Path(name)
    if path.suffix in documents.SUFFIXES or path.is_file():
        parsed = documents.check_file(path, documents.Catalogue.loose())
        if parsed.spec is None:
            raise documents.Unfit(path, parsed.problems)
        if parsed.spec.schedule is None:
            raise NoSchedule(dag_id=parsed.spec.id)
        return parsed.spec.id, parsed.spec.schedule, datetime.now(UTC)
    dag = Dag.objects.live().filter(dag_id=name).first()
    if dag is None:
        raise UnknownDag(dag_id=name)
    row = schedules.of_dag(dag)
    return name, schedules.spec_of(row), row.cursor


def _line(each: schedules.Upcoming) -> list[str]:
    late = each.starts_at - each.logical_date
    return [
        each.local.strftime("%a %Y-%m-%d %H:%M:%S"),
        each.local.strftime("%z"),
        text.moment(each.logical_date),
        f"+{late.total_seconds():.0f} s" if late else "on time",
        text.moment(each.interval_start),
    ]


def _record(each: schedules.Upcoming) -> dict[str, Any]:
    return {
        "logical_date": each.logical_date,
        "local": each.local,
        "starts_at": each.starts_at,
        "interval_start": each.interval_start,
    }
