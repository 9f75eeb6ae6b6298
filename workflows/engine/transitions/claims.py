"""Claims: QUEUED → RUNNING, by a message, or by a worker that goes on with a run."""

from __future__ import annotations

from uuid import UUID

from workflows.engine import sql
from workflows.engine.rows import Claim, Onward, Ready
from workflows.engine.sql import Statement

# The run's lock is shared with other claims and completions: against a cancel, one comes wholly before the other, and
# no event tells of a start after the run's end.
_CLAIM = """
WITH %(before)sclaimed AS (
    UPDATE workflows_taskexecution t
       SET state = 'running', token = %(token)s, node = %(node)s, reason = '', message = '',
           lease_until = now() + make_interval(secs => %(lease)s), started_at = now(), withheld = false,
           sent_at = %(sent)s
      FROM workflows_dagrun r, %(of)s
     WHERE %(which)s
       AND r.id = t.run_id AND r.state = 'running' AND r.paused_at IS NULL
 RETURNING t.id, t.run_id, t.task_id, t.position, t.map_index, t.attempt, t.failures,
           r.version_id, r.params, r.logical_date, r.trigger, r.external_id, r.interval_start, r.priority, t.item
), tried AS (
    INSERT INTO workflows_taskattempt (task_execution_id, number, token, node)
    SELECT id, attempt, %(token)s, %(node)s FROM claimed
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, node)
    SELECT run_id, id, task_id, attempt, 'queued', 'running', %(node)s FROM claimed
)
SELECT id, position, map_index, attempt, failures, version_id, params, logical_date, trigger, external_id,
       interval_start, priority, item FROM claimed
"""
_CLAIM_ONE = (
    _CLAIM.replace("%(before)s", "")
    .replace("%(sent)s", "t.queued_at")
    .replace("%(of)s", "(SELECT pg_advisory_xact_lock_shared(%(key)s)) AS held")
    .replace(
        "%(which)s",
        "t.run_id = %(run)s AND t.position = %(position)s AND t.map_index = %(map_index)s AND t.attempt = %(attempt)s"
        " AND t.state = 'queued' AND NOT t.held",
    )
)
# `(state = …) IS TRUE` is a condition that no index takes: on the small index of all active tasks, a plan that was made
# while the table was small would look at each of them for ever after.
# In the transaction of a success: of what that has just queued (its time of queueing is the transaction's), or else of
# what is withheld. Nothing when the success was stale. The run's lock is held by then.
_CLAIM_NEXT = (
    _CLAIM.replace("%(of)s", "picked p")
    .replace("%(which)s", "t.id = p.id")
    .replace("%(sent)s", "(SELECT b.sent_at FROM workflows_taskexecution b WHERE b.id = %(id)s)")
)
_JUST_READY = """next AS (
    SELECT w.id FROM workflows_taskexecution w
     WHERE w.run_id = %(run)s AND w.position = ANY(%(positions)s::int[]) AND w.map_index = -1
       AND (w.state = 'queued') IS TRUE AND NOT w.held AND w.queued_at = now()
       AND w.queue = %(queue)s AND w.priority >= %(priority)s
     ORDER BY w.priority DESC, w.position LIMIT 1
), """
_CLAIM_JUST_READY = _CLAIM_NEXT.replace("%(before)s", _JUST_READY.replace("next AS", "picked AS"))
_SPARE = """spare AS (
    SELECT w.id FROM %(mine)s workflows_taskexecution w
     WHERE w.run_id = %(run)s AND w.queue = %(queue)s AND w.withheld AND (w.state = 'queued') IS TRUE
     ORDER BY w.priority DESC, w.id DESC LIMIT 1 FOR NO KEY UPDATE OF w SKIP LOCKED
)"""
_CLAIM_NEXT_OF_MANY = _CLAIM_NEXT.replace(
    "%(before)s",
    """%(next)smine AS MATERIALIZED (
    SELECT m.id FROM workflows_taskexecution m
     WHERE m.id = %(id)s AND m.ended_at = now() AND NOT EXISTS (SELECT FROM next)
), %(spare)s, picked AS (SELECT id FROM next UNION ALL SELECT id FROM spare), """.replace(
        "%(next)s", _JUST_READY
    ).replace("%(spare)s", _SPARE.replace("%(mine)s", "mine,")),
)
# Before the success is written: the row of a join that hundreds count down is then locked for less time. The run's lock
# comes first, as for everybody, then the task's own row, so that the success that follows cannot fail to be ours.
_CLAIM_SPARE = _CLAIM_NEXT.replace(
    "%(before)s",
    """held AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%(key)s)), mine AS MATERIALIZED (
    SELECT m.id FROM held, workflows_taskexecution m
     WHERE m.id = %(id)s AND m.token = %(mine_token)s AND (m.state = 'running') IS TRUE FOR NO KEY UPDATE OF m
), %(spare)s, """.replace("%(spare)s", _SPARE.replace("%(mine)s", "mine,").replace("spare AS", "picked AS")),
)

_CLAIMED_BEFORE = """
SELECT t.id, t.position, t.map_index, t.attempt, t.failures, r.version_id, r.params, r.logical_date, r.trigger,
       r.external_id, r.interval_start, r.priority, t.item
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.run_id = %(run)s AND t.ended_at IS NULL AND t.token = %(token)s
"""


def claim(
    run_id: int, position: int, map_index: int, attempt: int, *, token: UUID, node: str, lease: float
) -> Claim | None:
    """QUEUED → RUNNING for exactly this attempt, or None: the message was stale, doubled or too early.

    Safe to repeat with the same token, when the answer to the first try was lost.
    """
    asked = {
        "key": sql.run_key(run_id),
        "run": run_id,
        "position": position,
        "map_index": map_index,
        "attempt": attempt,
        "token": token,
        "node": node,
        "lease": lease,
    }
    asked_before = False

    def ask() -> list[sql.Row]:
        nonlocal asked_before
        rows = sql.run(_CLAIMED_BEFORE, asked) if asked_before else []
        asked_before = True
        return rows or sql.run(_CLAIM_ONE, asked)

    return _held(run_id, token, sql.persist(ask))


def _held(run_id: int, token: UUID, rows: list[sql.Row]) -> Claim | None:
    if not rows:
        return None
    execution_id, position, map_index, attempt, failures, version_id, *of_run, item = rows[0]
    params, logical_date, trigger, external_id, since, priority = of_run
    return Claim(
        execution_id=execution_id,
        run_id=run_id,
        position=position,
        map_index=map_index,
        attempt=attempt,
        token=token,
        failures=failures,
        version_id=version_id,
        params=params,
        logical_date=logical_date,
        trigger=trigger,
        external_id=external_id,
        interval_start=since,
        priority=priority,
        item=item,
    )


def next_claim(held: Claim, onward: Onward) -> Statement:
    """The statement that claims what a worker goes on with, for the transaction of its success."""
    asked = {
        "key": sql.run_key(held.run_id),
        "run": held.run_id,
        "id": held.execution_id,
        "mine_token": held.token,
        "token": onward.token,
        "node": onward.node,
        "lease": onward.lease,
        "positions": list(onward.positions),
        "queue": onward.queue,
        "priority": onward.priority,
    }
    if onward.first:
        return _CLAIM_SPARE, asked
    return _CLAIM_NEXT_OF_MANY if onward.wide else _CLAIM_JUST_READY, asked


def next_claimed(run_id: int, onward: Onward, rows: list[sql.Row]) -> Claim | None:
    """What that statement claimed."""
    return _held(run_id, onward.token, rows)


def claimed_with(run_id: int, token: UUID) -> Claim | None:
    """The live claim that was made with a token: for one whose answer was lost."""
    return _held(run_id, token, sql.run(_CLAIMED_BEFORE, {"run": run_id, "token": token}))


_RELEASE = """
WITH picked AS (
    SELECT w.id, r.version_id, r.priority FROM workflows_taskexecution w JOIN workflows_dagrun r ON r.id = w.run_id
     WHERE w.withheld AND (w.state = 'queued') IS TRUE AND (%(run)s::bigint IS NULL OR w.run_id = %(run)s)
       AND r.state = 'running' AND r.paused_at IS NULL
     ORDER BY w.priority DESC, w.id DESC LIMIT %(limit)s FOR NO KEY UPDATE OF w SKIP LOCKED
)
UPDATE workflows_taskexecution t SET withheld = false FROM picked p WHERE t.id = p.id
RETURNING t.run_id, p.version_id, p.priority, t.position, t.map_index, t.attempt
"""
Released = tuple[int, int, int | None, Ready]  # run, version, the run's priority, the task


def release(limit: int, *, run_id: int | None = None) -> list[Released]:
    """Choose withheld tasks, of a run or of any, that are to be sent after all."""
    rows = sql.run(_RELEASE, {"limit": limit, "run": run_id})
    return [(run, version, of_run, Ready(position=p, map_index=m, attempt=a)) for run, version, of_run, p, m, a in rows]
