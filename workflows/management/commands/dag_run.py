"""`manage.py dag_run`: start a run, and wait for its end if asked to."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.engine import launch
from workflows.engine.launch import Origin
from workflows.management import documents, run_view, watch
from workflows.management.arguments import priority
from workflows.management.assignments import params_of
from workflows.management.command import INTERRUPTED, EngineCommand, add_json
from workflows.models import DagRun, DagVersion


class Command(EngineCommand):
    """Start a run of a stored DAG, or of a document's file."""

    help = (
        "Start a run of a DAG. With --file the document is published first, and so are the documents beside "
        "it that its sub-DAG tasks name. With --wait the exit code says whether the run succeeded."
    )
    example = (
        "  manage.py dag_run daily_sales --param day=2025-01-31 --wait\n"
        "  manage.py dag_run --file examples/repository_report.yaml --wait"
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        add = parser.add_argument
        add("dag", nargs="?", metavar="DAG", help="id of a stored DAG")
        add("--file", type=Path, metavar="FILE", help="publish and run this document")
        add("--param", action="append", default=[], metavar="K=V", help="a parameter; repeatable")
        add("--external-id", metavar="ID", help="a second run with the same id is not started")
        add(
            "--logical-date",
            metavar="DATE",
            help="what the run stands for, in ISO form; UTC without an offset",
        )
        add("--priority", type=priority, metavar="N", help="0 to 9, 9 first, for tasks that have none of their own")
        add("--wait", action="store_true", help="show the run until it has ended")
        add(
            "--timeout",
            type=float,
            metavar="S",
            help="with --wait: wait no longer; the run goes on",
        )
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Start, and wait."""
        if bool(options["dag"]) == bool(options["file"]):
            raise CommandError("Name either a DAG or a --file.")
        version = self._version(options)
        run = launch.launch(
            version,
            params=params_of(version, options["param"]),
            logical_date=moment_of(options["logical_date"]),
            external_id=options["external_id"],
            origin=Origin(priority=options["priority"]),
        )
        if not options["wait"]:
            return self._started(run, as_json=options["json"])
        self._wait(run, options)
        return None

    def _version(self, options: dict[str, Any]) -> DagVersion:
        if options["dag"]:
            return launch.current_version(options["dag"])
        published = documents.publish_with_neighbours(options["file"])
        if not options["json"]:
            for each in published:
                self.stdout.write(each.line)
        return launch.current_version(published[-1].version.dag.dag_id)

    def _started(self, run: DagRun, *, as_json: bool) -> None:
        if as_json:
            self.say_json(run_view.as_json(run.pk))
        else:
            self.stdout.write(f"run {run.pk} of {run.dag.dag_id} started; see `manage.py run_show {run.pk}`")

    def _wait(self, run: DagRun, options: dict[str, Any]) -> None:
        output = self.stderr if options["json"] else self.stdout
        try:
            over = watch.Watch(run.pk, output, timeout=options["timeout"]).follow()
        except KeyboardInterrupt:
            sentence = f"Run {run.pk} goes on; `manage.py run_cancel {run.pk}` ends it."
            raise CommandError(sentence, returncode=INTERRUPTED) from None
        if options["json"]:
            self.say_json(run_view.as_json(run.pk))
        else:
            watch.write_all(self.stdout, watch.patiently(lambda: run_view.summary(run.pk)))
        if not over:
            raise CommandError(f"Run {run.pk} has not ended after {options['timeout']:g} s; it goes on.")
        if not watch.patiently(lambda: watch.succeeded(run.pk)):
            sys.exit(1)


def moment_of(given: str | None) -> datetime | None:
    """An ISO date or moment; in UTC when it names no offset."""
    if given is None:
        return None
    try:
        at = datetime.fromisoformat(given)
    except ValueError:
        raise CommandError(f"--logical-date {given}: write it as 2025-01-31 or 2025-01-31T02:00.") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
