"""`manage.py pool_create`: a pool that documents may name."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.conf import conf
from workflows.engine import pools
from workflows.management.arguments import slots
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Create a pool."""

    help = "Make a pool that documents may name with `pool`, and say which queue its workers have to take."
    example = "  manage.py pool_create db --slots 4 --description 'the small database'"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("pool", metavar="NAME", help="letters, digits, - and _")
        parser.add_argument("--slots", type=slots, metavar="SLOTS", help="slots at one time; no limit when left out")
        parser.add_argument("--description", default="", metavar="TEXT", help="for people")

    def handle(self, *args: Any, **options: Any) -> None:
        """Make it."""
        pool = pools.create(options["pool"], slots=options["slots"], description=options["description"])
        self.stdout.write(f"pool {pool.name} is there; its workers take the queue {conf.queue_of(pool.name)}")
