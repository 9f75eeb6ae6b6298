"""A message that only says that it came through, sent behind rows that wait: if it comes first, they are lost.

A canary has the last priority, so that a worker takes it when everything sent to its queue before it has been taken.
"""

from __future__ import annotations

from collections.abc import Iterable

from workflows.conf import conf
from workflows.engine import sql
from workflows.executors import canary

_DUE = """
INSERT INTO workflows_brokermark (name, value)
SELECT 'canary:' || queue, EXTRACT(EPOCH FROM clock_timestamp())::text FROM unnest(%s::text[]) AS queue
ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, at = now()
  WHERE workflows_brokermark.at < now() - make_interval(secs => %s)
RETURNING substr(name, 8), value
"""

_PASSED = """
INSERT INTO workflows_brokermark (name, value) VALUES ('passed:' || %s, %s)
ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, at = now()
  WHERE workflows_brokermark.value::float8 < EXCLUDED.value::float8
"""

_LONGEST = 90  # characters of a queue's name, which a mark's name holds


def send(queues: Iterable[str]) -> None:
    """Send one to each of the queues that had none for CANARY_SECONDS; of several reconcilers, one does."""
    names = sorted(queue for queue in queues if len(queue) <= _LONGEST)
    if names:
        for queue, sent in sql.run(_DUE, (names, conf.CANARY_SECONDS)):
            canary.send(queue, sent)


def passed(queue: str, sent: str) -> None:
    """A worker took the canary that was sent to a queue at that time."""
    sql.persist(lambda: sql.run(_PASSED, (queue, sent)))
