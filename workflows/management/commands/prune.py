"""`manage.py prune`: delete what need not be kept any longer."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.core.durations import parse_duration
from workflows.engine import prune
from workflows.engine.prune import Pruned
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Prune."""

    help = (
        "Delete runs and logs that are older than the settings RETENTION_RUN_DAYS and RETENTION_LOG_DAYS say, or than "
        "--older-than, and what was deleted longer than RETENTION_DELETED_DAYS ago. In short transactions; unfinished "
        "runs are never touched. May be stopped and started again at any moment."
    )
    example = "  manage.py prune --older-than 90d --keep-last 10 --dry-run"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        add = parser.add_argument
        add("--older-than", metavar="DURATION", help='runs and logs that ended longer ago ("30d", "12h")')
        add("--dag", metavar="DAG", help="only of this DAG")
        add("--keep-last", type=int, metavar="N", help="the last N runs of each DAG stay, however old")
        add("--dry-run", action="store_true", help="count what would go, and delete nothing")
        add("--batch", type=int, default=prune.BATCH, metavar="N", help="log chunks in one transaction (1000)")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Count or delete."""
        if options["batch"] < 1:
            raise CommandError("--batch must be at least 1.")
        if (options["keep_last"] or 0) < 0:
            raise CommandError("--keep-last must not be negative.")
        rules = prune.rules_of(
            older_than=_seconds(options["older_than"]), dag=options["dag"], keep_last=options["keep_last"]
        )
        if options["dry_run"]:
            found = prune.preview(rules)
        else:
            found = prune.prune(rules, batch=options["batch"], tell=self._tell if options["verbosity"] > 1 else _silent)
        if options["json"]:
            self.say_json(asdict(found))
        else:
            self.stdout.write(f"{'would delete' if options['dry_run'] else 'deleted'} {words(found)}")

    def _tell(self, done: Pruned) -> None:
        self.stdout.write(f"… {words(done)}")


def _silent(done: Pruned) -> None:
    """Progress is for those who ask for it."""


def words(found: Pruned) -> str:
    """`3 runs, 12 tasks`, or `nothing`."""
    counts = [f"{count:,} {name.replace('_', ' ')}" for name, count in asdict(found).items() if count]
    return ", ".join(counts) or "nothing"


def _seconds(text: str | None) -> float | None:
    try:
        return None if text is None else parse_duration(text)
    except ValueError as error:
        raise CommandError(f"--older-than {text}: {error}.") from None
