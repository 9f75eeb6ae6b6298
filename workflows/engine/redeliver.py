"""Send queued rows again when their message is gone. The rows are the outbox; sending an attempt twice is harmless."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime

from workflows import failpoints
from workflows.conf import conf
from workflows.engine import canaries, plans, sql
from workflows.executors import broker, send

BATCH = 500

_WAITING = """
SELECT DISTINCT t.queue FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.state = 'queued' AND NOT t.held AND NOT t.withheld AND COALESCE(t.sent_at, t.queued_at) < %s
   AND r.state = 'running' AND r.paused_at IS NULL
"""

_TAKE = """
WITH stale AS (
    SELECT t.id, r.version_id, r.priority AS of_run
      FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
     WHERE t.state = 'queued' AND NOT t.held AND NOT t.withheld AND t.queue = ANY(%s::text[])
       AND COALESCE(t.sent_at, t.queued_at) < %s
       AND r.state = 'running' AND r.paused_at IS NULL
     ORDER BY t.priority DESC, t.id LIMIT %s FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE workflows_taskexecution t SET sent_at = now() FROM stale s WHERE t.id = s.id
RETURNING t.run_id, s.version_id, s.of_run, t.position, t.map_index, t.attempt
"""

# What is withheld waits without a message for those who go on with its run: it is lost when nobody runs anything there.
# Who does may be at another kind of task for long, and know nothing of it: then it is lost at the latest after a while.
_TAKE_LEFT = """
WITH stale AS (
    SELECT t.id, r.version_id, r.priority AS of_run
      FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
     WHERE t.withheld AND (t.state = 'queued') IS TRUE AND t.queued_at < %s
       AND (t.queued_at < now() - make_interval(secs => %s) OR NOT EXISTS (
            SELECT FROM workflows_taskexecution x WHERE x.run_id = t.run_id AND x.state = 'running'))
       AND r.state = 'running' AND r.paused_at IS NULL
     ORDER BY t.priority DESC, t.id LIMIT %s FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE workflows_taskexecution t SET sent_at = now(), withheld = false FROM stale s WHERE t.id = s.id
RETURNING t.run_id, s.version_id, s.of_run, t.position, t.map_index, t.attempt
"""

# Messages of one queue are taken by their priority, and those of one priority in the order of their sending: one that
# runs was sent after all that were as urgent or more and are gone. What a worker went on with without a message counts
# as that which led to it.
_TAKE_OVERTAKEN = """
WITH latest AS (
    SELECT queue, priority, max(sent_at) AS sent_at FROM workflows_taskexecution
     WHERE state = 'running' AND queue = ANY(%s::text[]) GROUP BY queue, priority
), stale AS (
    SELECT t.id, r.version_id, r.priority AS of_run
      FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
     WHERE t.state = 'queued' AND NOT t.held AND NOT t.withheld
       AND EXISTS (SELECT FROM latest l WHERE l.queue = t.queue AND l.priority <= t.priority
                      AND COALESCE(t.sent_at, t.queued_at) < l.sent_at - make_interval(secs => %s))
       AND r.state = 'running' AND r.paused_at IS NULL
     ORDER BY t.priority DESC, t.id LIMIT %s FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE workflows_taskexecution t SET sent_at = now() FROM stale s WHERE t.id = s.id
RETURNING t.run_id, s.version_id, s.of_run, t.position, t.map_index, t.attempt
"""

# A canary has the last priority: it is taken when everything that was sent to its queue before it has been.
_TAKE_BEHIND = """
WITH stale AS (
    SELECT t.id, r.version_id, r.priority AS of_run
      FROM workflows_brokermark c JOIN workflows_taskexecution t ON c.name = 'passed:' || t.queue
      JOIN workflows_dagrun r ON r.id = t.run_id
     WHERE t.state = 'queued' AND NOT t.held AND NOT t.withheld AND t.queue = ANY(%s::text[])
       AND c.at < now() - make_interval(secs => %s)
       AND COALESCE(t.sent_at, t.queued_at) < to_timestamp(c.value::float8) - make_interval(secs => %s)
       AND r.state = 'running' AND r.paused_at IS NULL
     ORDER BY t.priority DESC, t.id LIMIT %s FOR NO KEY UPDATE OF t SKIP LOCKED
)
UPDATE workflows_taskexecution t SET sent_at = now() FROM stale s WHERE t.id = s.id
RETURNING t.run_id, s.version_id, s.of_run, t.position, t.map_index, t.attempt
"""


def send_again() -> int:
    """Send queued rows again when there is evidence that their message is gone; returns how many.

    Evidence: the broker's epoch changed (it lost its memory); the queue is empty while rows have waited in it for
    longer than a worker takes to claim; a row of the same queue, no more urgent, that was queued that much later is
    running already; or a canary that was sent that much later has come through. A backlog is not evidence.
    """
    forgot = _broker_forgot()
    grace = 0.0 if forgot else conf.REDELIVER_SECONDS
    before = sql.run("SELECT clock_timestamp() - make_interval(secs => %s)", (grace,))[0][0]
    waiting = {queue for (queue,) in sql.run(_WAITING, (before,))}
    if not waiting:
        resent = 0
    elif forgot:
        resent = _send_all(waiting, before)
    else:
        gone = broker.empty_queues(waiting)
        resent = _send_all(gone, before) + _send_overtaken(waiting - gone) + _send_behind_canaries(waiting - gone)
        canaries.send(waiting - gone)
    if forgot:
        failpoints.hit("resent")
        _remember_epoch(forgot)
    return resent + _send_left(before)


def _send_left(before: datetime) -> int:
    rows = sql.run(_TAKE_LEFT, (before, conf.CANARY_SECONDS, BATCH))
    _send(rows)
    return len(rows)


def _send_all(queues: Iterable[str], before: datetime) -> int:
    names, resent = sorted(queues), 0
    while names:
        rows = sql.run(_TAKE, (names, before, BATCH))
        _send(rows)
        resent += len(rows)
        if len(rows) < BATCH:
            break
    return resent


def _send_overtaken(queues: Iterable[str]) -> int:
    """One batch in a sweep: the evidence is weaker, as a wide fan-out is queued at once and sent by and by."""
    names = sorted(queues)
    rows = sql.run(_TAKE_OVERTAKEN, (names, conf.REDELIVER_SECONDS, BATCH)) if names else []
    _send(rows)
    return len(rows)


def _send_behind_canaries(queues: Iterable[str]) -> int:
    grace = conf.REDELIVER_SECONDS
    names = sorted(queues)
    rows = sql.run(_TAKE_BEHIND, (names, grace, grace, BATCH)) if names else []
    _send(rows)
    return len(rows)


def _send(rows: list[sql.Row]) -> None:
    ready: dict[tuple[int, int, int | None], list[tuple[int, int, int]]] = defaultdict(list)
    for run_id, version_id, priority, position, map_index, attempt in rows:
        ready[(run_id, version_id, priority)].append((position, map_index, attempt))
    if ready:
        failpoints.hit("marked_sent")
    send.send(
        send.Dispatch(plan=plans.plan_of(version_id).at(priority), run_id=run_id, ready=tuple(items))
        for (run_id, version_id, priority), items in ready.items()
    )


def _broker_forgot() -> str | None:
    """The broker's new epoch when it is not the one that we know."""
    now = broker.epoch()
    if now is None:
        return None
    known = sql.run("SELECT value FROM workflows_brokermark WHERE name = 'epoch'")
    if not known:
        _remember_epoch(now)
        return None
    return now if known[0][0] != now else None


def _remember_epoch(value: str) -> None:
    sql.run(
        "INSERT INTO workflows_brokermark (name, value) VALUES ('epoch', %s) "
        "ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, at = now()",
        (value,),
    )
