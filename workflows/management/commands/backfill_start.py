"""`manage.py backfill_start`: run a DAG for a range of past dates."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.core.durations import parse_duration
from workflows.engine import backfill
from workflows.engine.backfill import Wanted
from workflows.engine.backfill.dates import dag_of, zone_of
from workflows.management import backfill_view
from workflows.management.assignments import params_of
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Start a backfill."""

    help = (
        "Run a DAG for the dates of a range: those of its schedule, or one in every --every. Dates that have a "
        "successful run of any trigger, or one that goes on, are left out unless --all. The reconciler starts the runs."
    )
    example = (
        "  manage.py backfill_start daily_sales --from 2025-01-01 --to 2025-01-31 --concurrency 4 --preview\n"
        "  manage.py backfill_start daily_sales --from 2025-01-01 --to 2025-01-31 --every 1d --failed --newest-first"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        add = parser.add_argument
        add("dag", metavar="DAG", help="id of the DAG")
        add("--from", dest="start", required=True, metavar="DATE", help="first date or moment, in ISO form")
        add("--to", dest="end", required=True, metavar="DATE", help="last one; a date alone means its whole day")
        add("--every", metavar="DURATION", help='from date to date ("1d", "6h"), instead of the schedule')
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--failed", action="store_true", help="only dates whose runs have all failed")
        which.add_argument("--all", action="store_true", help="every date, also those that succeeded")
        add("--newest-first", action="store_true", help="begin with the last date")
        add("--concurrency", type=int, default=1, metavar="N", help="runs at one time (1)")
        add("--param", action="append", default=[], metavar="K=V", help="a parameter of each run; repeatable")
        add("--downstream", action="store_true", help="then also the DAGs that run after this one, date by date")
        add("--preview", action="store_true", help="say what would be run, and start nothing")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Preview or start."""
        wanted = wanted_of(options)
        if options["preview"]:
            shown = backfill.preview(wanted)
            if options["json"]:
                self.say_json(asdict(shown))
            else:
                self.stdout.write("\n".join(backfill_view.preview_lines(shown)))
            return
        row = backfill.start(wanted)
        if options["json"]:
            self.say_json(backfill_view.as_json([row])[0])
        else:
            self.stdout.write("\n".join(backfill_view.title(row)))
            self.stdout.write(f"see `manage.py backfill_show {row.pk}`")


def wanted_of(options: dict[str, Any]) -> Wanted:
    """What the words ask for."""
    dag = dag_of(options["dag"])
    zone = zone_of(dag)
    assert dag.current_version is not None, "dag_of answers with a DAG that has one"
    return Wanted(
        dag_id=dag.dag_id,
        start=backfill.moment_of(options["start"], zone),
        end=backfill.moment_of(options["end"], zone, last=True),
        every=_seconds(options["every"]),
        newest_first=options["newest_first"],
        concurrency=options["concurrency"],
        which="all" if options["all"] else "failed" if options["failed"] else "missing",
        params=params_of(dag.current_version, options["param"]),
        downstream=options["downstream"],
    )


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise CommandError(f"--every {text}: {error}.") from None
