"""Workers that are alive, have room, and take nothing of what waits for them: found, flagged, and told of.

Leases and heartbeats come from a thread of their own, so that a worker whose consumer hangs looks as well as ever. What
tells is that a row has been waiting in its queue, its message is there, and the worker has taken nothing since.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator

from workflows.conf import conf
from workflows.engine import sql
from workflows.executors import broker

log = logging.getLogger(__name__)
# A row that a limit or a pause held back is sent late: its message may have come a moment ago.
SURE_SECONDS = 5.0
_seen: dict[str, float] = {}  # suspects of this process, and since when
MEND = "Restart it: its consumer hangs, or somebody cancelled it by remote control."

_SUSPECTS = """
WITH waiting AS (
    SELECT t.queue FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
     WHERE t.state = 'queued' AND NOT t.held AND r.state = 'running' AND r.paused_at IS NULL
     GROUP BY t.queue HAVING min(t.queued_at) < now() - make_interval(secs => %(stall)s)
)
SELECT n.name, array_agg(w.queue ORDER BY w.queue) FROM workflows_node n JOIN waiting w ON w.queue = ANY (n.queues)
 WHERE n.stopped_at IS NULL AND n.heartbeat_at > now() - make_interval(secs => %(lease)s)
   AND n.running < n.concurrency
   AND GREATEST(n.started_at, n.took_at) < now() - make_interval(secs => %(stall)s)
 GROUP BY n.name
"""

_FLAG = """
UPDATE workflows_node SET stalled_at = now() WHERE name = ANY (%s::text[]) AND stalled_at IS NULL RETURNING name
"""

_CLEAR = """
UPDATE workflows_node SET stalled_at = NULL WHERE stalled_at IS NOT NULL AND name <> ALL (%s::text[]) RETURNING name
"""

_FLAGGED = """
SELECT n.name, n.queues, NOT EXISTS (
       SELECT 1 FROM workflows_node o WHERE o.stopped_at IS NULL AND o.stalled_at IS NULL AND o.queues @> n.queues
          AND o.heartbeat_at > now() - make_interval(secs => %(lease)s))
  FROM workflows_node n
 WHERE n.stalled_at IS NOT NULL AND n.stopped_at IS NULL AND n.heartbeat_at > now() - make_interval(secs => %(lease)s)
 ORDER BY n.name
"""


def flag() -> int:
    """Flag the nodes that stand still, and clear those that do no longer; returns how many are new."""
    suspects = dict(_suspects())
    if suspects:
        lengths = broker.lengths({queue for queues in suspects.values() for queue in queues})
        if lengths is None:
            return 0  # a broker that is down says nothing about workers
        suspects = {name: there for name, queues in suspects.items() if (there := [q for q in queues if lengths[q]])}
    suspects = _for_sure(suspects)
    new = [name for (name,) in sql.run(_FLAG, (list(suspects),))] if suspects else []
    for name in new:
        log.error("worker %s is alive and takes nothing from %s. %s", name, ", ".join(suspects[name]), MEND)
    for (name,) in sql.run(_CLEAR, (list(suspects),)):
        log.info("worker %s does not stand still any more", name)
    return len(new)


def _for_sure(suspects: dict[str, list[str]]) -> dict[str, list[str]]:
    """Those that have been suspects for a while."""
    now = time.monotonic()
    for name in _seen.keys() - suspects.keys():
        del _seen[name]
    return {name: queues for name, queues in suspects.items() if now - _seen.setdefault(name, now) >= SURE_SECONDS}


def _suspects() -> Iterator[tuple[str, list[str]]]:
    facts = {"stall": conf.STALL_SECONDS, "lease": conf.LEASE_SECONDS}
    for name, queues in sql.run(_SUSPECTS, facts):
        yield name, list(queues)


def stalled_nodes() -> Iterator[tuple[str, list[str], bool]]:
    """Each flagged node that is alive, its queues, and whether no other worker can stand in for it."""
    for name, queues, alone in sql.run(_FLAGGED, {"lease": conf.LEASE_SECONDS}):
        yield name, list(queues), alone
