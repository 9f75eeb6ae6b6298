"""The systems by name."""

from __future__ import annotations

import os

from tests.benchmarks.servers import Servers
from tests.benchmarks.systems import base

NAMES = ("celeriac", "canvas", "redis", "postgres")


def connect(name: str, servers: Servers) -> base.System:
    """A system's driver, its addresses set for this process and for the workers that it will start."""
    os.environ[base.BROKER] = servers.broker
    os.environ[base.POSTGRES] = servers.database("bench")
    # Each module reads its address when it is imported, as it would in production.
    if name == "canvas":
        from tests.benchmarks.systems.canvas import Canvas

        return Canvas()
    if name == "redis":
        from tests.benchmarks.systems.redis_joined import RedisJoined

        return RedisJoined()
    if name == "postgres":
        from tests.benchmarks.systems.postgres_joined import PostgresJoined

        return PostgresJoined()
    from tests.benchmarks.systems.celeriac import Celeriac

    return Celeriac(servers)
