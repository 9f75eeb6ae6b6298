"""`manage.py pool_list`: the pools with their limits and what they have to do."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.conf import conf
from workflows.engine import pools
from workflows.management import text
from workflows.management.command import EngineCommand, add_json
from workflows.models import NodePool


class Command(EngineCommand):
    """List pools."""

    help = "List the pools: queue, slots and how many are in use, and the tasks that run, are queued, wait for room."
    example = "  manage.py pool_list"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the option."""
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        found = pools.loads()
        rows = [(pool, pools.load_of(pool.name, found)) for pool in NodePool.objects.order_by("name")]
        if options["json"]:
            self.say_json([_data(pool, load) for pool, load in rows])
            return
        head = ["pool", "queue", "slots", "used", "running", "queued", "waiting", "description"]
        self.stdout.write("\n".join(text.table(head, (_row(pool, load) for pool, load in rows))))


def _row(pool: NodePool, load: pools.Load) -> list[str]:
    slots, used = ("no limit", "") if pool.slots is None else (f"{pool.slots:,}", f"{load.used:,}")
    counts = [f"{count:,}" for count in (load.running, load.queued, load.waiting)]
    return [pool.name, conf.queue_of(pool.name), slots, used, *counts, text.one_line(pool.description)]


def _data(pool: NodePool, load: pools.Load) -> dict[str, Any]:
    return {
        "name": pool.name,
        "description": pool.description,
        "queue": conf.queue_of(pool.name),
        "slots": pool.slots,
        "used": None if pool.slots is None else load.used,
        "running": load.running,
        "queued": load.queued,
        "waiting": load.waiting,
    }
