"""The systems by name."""

from __future__ import annotations

import os
from pathlib import Path

from tests.benchmarks.systems import base
from tests.support.servers import Servers

NAMES = ("celeriac", "canvas", "redis", "postgres")
_DATABASE = "bench"


def address(servers: Servers) -> None:
    """Tell this process, and the workers that it will start, where the servers are."""
    os.environ[base.BROKER] = servers.broker_url.rsplit("/", 1)[0]
    os.environ[base.POSTGRES] = servers.create_database(_DATABASE)


def connect(name: str, servers: Servers, home: Path) -> base.System:
    """A system's driver."""
    # Imported here: each module reads its address when it is imported, as it would in production.
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

    return Celeriac(servers, home)
