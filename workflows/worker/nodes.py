"""The node that this worker is, as others see it."""

from __future__ import annotations

from workflows.engine import sql

_REGISTER = """
INSERT INTO workflows_node (name, hostname, pid, queues, concurrency, software, running)
VALUES (%s, %s, %s, %s::text[], %s, %s, 0)
ON CONFLICT (name) DO UPDATE SET hostname = EXCLUDED.hostname, pid = EXCLUDED.pid, queues = EXCLUDED.queues,
    concurrency = EXCLUDED.concurrency, software = EXCLUDED.software, running = 0,
    started_at = now(), heartbeat_at = now(), stopped_at = NULL, took_at = NULL, stalled_at = NULL
"""


def register(name: str, *, hostname: str, pid: int, queues: list[str], concurrency: int, software: str) -> None:
    """Write the node down, or what changed since its last start."""
    sql.persist(lambda: sql.run(_REGISTER, (name, hostname, pid, queues, concurrency, software)))


_REPORT = """
UPDATE workflows_node SET heartbeat_at = now(), running = %s,
       took_at = CASE WHEN %s THEN now() ELSE took_at END, stalled_at = CASE WHEN %s THEN NULL ELSE stalled_at END
 WHERE name = %s
"""


def report(name: str, running: int, *, took: bool) -> None:
    """The node is alive, runs so many tasks, and has taken some since its last report or not."""
    sql.run(_REPORT, (running, took, took, name))


def sign_off(name: str) -> None:
    """The node stopped in good order."""
    sql.persist(
        lambda: sql.run(
            "UPDATE workflows_node SET stopped_at = now(), heartbeat_at = now(), running = 0 WHERE name = %s", (name,)
        )
    )


_CAPACITY = """
SELECT COALESCE(sum(concurrency), 0) FROM workflows_node
 WHERE stopped_at IS NULL AND heartbeat_at > now() - make_interval(secs => %s) AND %s = ANY(queues)
"""


def capacity(queue: str, within: float) -> int:
    """How many tasks of a queue can run at one time, on the nodes that have shown themselves within so many seconds."""
    return int(sql.read(_CAPACITY, (within, queue))[0][0])
