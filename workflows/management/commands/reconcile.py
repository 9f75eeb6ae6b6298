"""`manage.py reconcile`: the reconciler, without beat and without a worker."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.conf import conf
from workflows.engine import deliveries, sql
from workflows.management import sweeping
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Mend what a crash, a lost message or a late clock left undone."""

    help = (
        "Look for lost and overdue work and mend it: once, or for ever. Any number may run at the same time. "
        "Says nothing when there is nothing to do."
    )
    example = "  manage.py reconcile --forever"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--forever", action="store_true", help="go on until SIGTERM or Ctrl-C")
        parser.add_argument(
            "--interval",
            type=float,
            metavar="S",
            help="seconds between sweeps (setting SWEEP_SECONDS)",
        )
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Sweep."""
        interval = conf.SWEEP_SECONDS if options["interval"] is None else options["interval"]
        if interval <= 0:
            raise CommandError("--interval must be more than 0 seconds.")
        sql.use_own_connection()
        if options["forever"]:
            sweeping.sweep_for_ever(interval)
            return
        done = sweeping.sweep_once()
        deliveries.deliver_for(conf.CALLBACK_TIMEOUT)
        if options["json"]:
            self.say_json(asdict(done))
        elif done.total:
            self.stdout.write(", ".join(f"{name} {count}" for name, count in asdict(done).items() if count))
