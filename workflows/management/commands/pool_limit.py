"""`manage.py pool_limit`: how many slots the tasks of a pool may hold at one time."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import pools
from workflows.management import text
from workflows.management.arguments import slots
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Limit a pool."""

    help = (
        "Set how many slots the tasks of a pool may hold at one time, over all runs. What runs counts at once and is "
        "not stopped; what waits starts as soon as it fits. With 0 nothing further starts."
    )
    example = "  manage.py pool_limit db 4\n  manage.py pool_limit db none"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("pool", metavar="NAME", help="name of the pool")
        parser.add_argument("slots", type=slots, metavar="SLOTS", help="a number, or none for no limit")

    def handle(self, *args: Any, **options: Any) -> None:
        """Set it."""
        name, most = options["pool"], options["slots"]
        pools.limit(name, most)
        load = pools.load_of(name, pools.loads())
        if most is None:
            self.stdout.write(f"pool {name} has no limit")
        else:
            waiting = text.counted(load.waiting, "task")
            self.stdout.write(f"pool {name} has {text.counted(most, 'slot')}, {load.used:,} in use; {waiting} waiting")
