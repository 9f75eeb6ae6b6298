"""The node that this worker is, as others see it."""

from __future__ import annotations

from workflows.engine import sql

_REGISTER = """
INSERT INTO workflows_node (name, hostname, pid, queues, concurrency, software, running)
VALUES (%s, %s, %s, %s::text[], %s, %s, 0)
ON CONFLICT (name) DO UPDATE SET hostname = EXCLUDED.hostname, pid = EXCLUDED.pid, queues = EXCLUDED.queues,
    concurrency = EXCLUDED.concurrency, software = EXCLUDED.software, running = 0,
    started_at = now(), heartbeat_at = now(), stopped_at = NULL
"""


def register(name: str, *, hostname: str, pid: int, queues: list[str], concurrency: int, software: str) -> None:
    """Write the node down, or what changed since its last start."""
    sql.persist(lambda: sql.run(_REGISTER, (name, hostname, pid, queues, concurrency, software)))


def report(name: str, running: int) -> None:
    """The node is alive and runs so many tasks."""
    sql.run("UPDATE workflows_node SET heartbeat_at = now(), running = %s WHERE name = %s", (running, name))


def sign_off(name: str) -> None:
    """The node stopped in good order."""
    sql.persist(
        lambda: sql.run(
            "UPDATE workflows_node SET stopped_at = now(), heartbeat_at = now(), running = 0 WHERE name = %s", (name,)
        )
    )
