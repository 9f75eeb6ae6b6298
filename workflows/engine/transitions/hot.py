"""The moves of the hot path: claim, success, and the renewal of leases. One statement and one commit each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString
from uuid import UUID

from workflows.core.states import TaskState
from workflows.engine import sql
from workflows.engine.rows import Claim, Ready, Succeeded

# The run's lock is shared with other claims and completions: against a cancel, one comes wholly before the other, and
# no event tells of a start after the run's end.
_CLAIM = """
WITH %(before)sclaimed AS (
    UPDATE workflows_taskexecution t
       SET state = 'running', token = %(token)s, node = %(node)s, reason = '', message = '',
           lease_until = now() + make_interval(secs => %(lease)s), started_at = now(), sent_at = NULL
      FROM workflows_dagrun r, %(of)s
     WHERE %(which)s AND t.state = 'queued' AND NOT t.held
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
    .replace("%(of)s", "(SELECT pg_advisory_xact_lock_shared(%(key)s)) AS held")
    .replace(
        "%(which)s",
        "t.run_id = %(run)s AND t.position = %(position)s AND t.map_index = %(map_index)s AND t.attempt = %(attempt)s",
    )
)
# The run's lock before the row's, as everybody takes them. From the end: messages are sent for the first.
_CLAIM_WITHHELD = (
    _CLAIM.replace(
        "%(before)s",
        """held AS MATERIALIZED (SELECT pg_advisory_xact_lock_shared(%(key)s)),
picked AS (
    SELECT w.id FROM held, workflows_taskexecution w
     WHERE w.run_id = %(run)s AND w.queue = %(queue)s AND w.state = 'queued' AND w.withheld
     ORDER BY w.priority DESC, w.id DESC LIMIT 1 FOR NO KEY UPDATE OF w SKIP LOCKED
), """,
    )
    .replace("%(of)s", "picked p")
    .replace("%(which)s", "t.id = p.id")
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
    place = {"position": position, "map_index": map_index, "attempt": attempt}
    return _claim(_CLAIM_ONE, run_id, {"token": token, "node": node, "lease": lease, **place})


def claim_withheld(run_id: int, queue: str, *, token: UUID, node: str, lease: float) -> Claim | None:
    """QUEUED → RUNNING for one of the run's tasks that wait for a worker that goes on; None when there is none.

    Safe to repeat with the same token.
    """
    return _claim(_CLAIM_WITHHELD, run_id, {"token": token, "node": node, "lease": lease, "queue": queue})


def _claim(statement: LiteralString, run_id: int, asked: dict[str, Any]) -> Claim | None:
    asked |= {"run": run_id, "key": sql.run_key(run_id)}
    asked_before = False

    def ask() -> list[sql.Row]:
        nonlocal asked_before
        rows = sql.run(_CLAIMED_BEFORE, asked) if asked_before else []  # type: ignore[arg-type]
        asked_before = True
        return rows or sql.run(statement, asked)  # type: ignore[arg-type]

    rows = sql.persist(ask)
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
        token=asked["token"],
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


# The hot path: one statement, one commit, for a success whose downstream tasks are all plain (all_success, no branch).
# The run's lock is shared; rows below are locked in order of id, so that two finishing upstreams cannot deadlock.
_SUCCEED = """
WITH settled AS (
    UPDATE workflows_taskexecution t
       SET state = 'success', ended_at = now(), token = NULL, lease_until = NULL, output = %(output)s::jsonb
      FROM (SELECT pg_advisory_xact_lock_shared(%(key)s)) AS held
     WHERE t.id = %(id)s AND t.token = %(token)s AND t.state = 'running'
 RETURNING t.id, t.run_id, t.task_id, t.attempt, t.node, t.gated, t.queue
), tried AS (
    UPDATE workflows_taskattempt a SET ended_at = now(), "end" = 'success'
      FROM settled s WHERE a.task_execution_id = s.id AND a.number = s.attempt
), %(locked)s moved AS (
    UPDATE workflows_taskexecution d
       SET waiting_on = d.waiting_on - 1,
           state = CASE WHEN %(ready)s THEN 'queued' ELSE d.state END,
           attempt = CASE WHEN %(ready)s THEN d.attempt + 1 ELSE d.attempt END,
           queued_at = CASE WHEN %(ready)s THEN now() ELSE d.queued_at END,
           held = d.held OR (d.gated AND %(ready)s)%(withheld)s
      FROM %(them)s
 RETURNING d.id, d.run_id, d.task_id, d.position, d.map_index, d.attempt, d.state, d.waiting_on, d.held, d.queue,
           d.withheld
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, node)
    SELECT run_id, id, task_id, attempt, 'running', 'success', node FROM settled
    UNION ALL
    SELECT run_id, id, task_id, attempt, 'pending', 'queued', '' FROM moved WHERE state = 'queued' AND waiting_on = 0
)
SELECT s.id, m.position, m.map_index, m.attempt, m.state, m.waiting_on, m.held, m.queue, m.withheld, s.gated, s.queue
  FROM settled s LEFT JOIN moved m ON true
""".replace(
    "%(ready)s", "d.state = 'pending' AND d.waiting_on = 1 AND d.upstreams_failed = 0 AND d.upstreams_skipped = 0"
)
# One row below needs no order, and the statement is a fifth shorter: most tasks have one.
_SUCCEED_ABOVE_ONE = (
    _SUCCEED.replace("%(locked)s", "")
    .replace("%(withheld)s", "")
    .replace("%(them)s", "settled s WHERE d.run_id = s.run_id AND d.position = %(below)s AND d.map_index = -1")
)
_SUCCEED_ABOVE_WIDE = _SUCCEED.replace(
    "%(locked)s",
    """locked AS (
    SELECT d.id FROM workflows_taskexecution d, settled s
     WHERE d.run_id = s.run_id AND d.position = ANY(%(below)s::int[]) AND d.map_index = -1
     ORDER BY d.id FOR NO KEY UPDATE OF d
), """,
).replace("%(them)s", "locked l WHERE d.id = l.id")
_SUCCEED_ABOVE_MANY = _SUCCEED_ABOVE_WIDE.replace("%(withheld)s", "")
_SUCCEED_ABOVE_WIDE = _SUCCEED_ABOVE_WIDE.replace(
    "%(withheld)s",
    """,
           withheld = d.state = 'pending' AND d.waiting_on = 1 AND NOT d.gated
                      AND d.position = ANY(%(withhold)s::int[])""",
)


def succeed(held: Claim, *, output: str | None, below: Sequence[int], withhold: Sequence[int] = ()) -> Succeeded | None:
    """RUNNING → SUCCESS with the plain tasks below; None when another worker holds the task.

    `output` is JSON text; `below` are the downstream positions, `withhold` those among them that may wait for a worker
    that goes on.
    """
    asked = {
        "id": held.execution_id,
        "token": held.token,
        "key": sql.run_key(held.run_id),
        "output": output,
        "below": below[0] if len(below) == 1 else list(below),
    }
    statement: LiteralString = _SUCCEED_ABOVE_ONE if len(below) == 1 else _SUCCEED_ABOVE_MANY
    if withhold:
        statement, asked["withhold"] = _SUCCEED_ABOVE_WIDE, list(withhold)
    rows = sql.run(statement, asked)  # type: ignore[arg-type]
    if not rows:
        return None
    queued = [row for row in rows if row[4] == TaskState.QUEUED and row[5] == 0]
    ready = tuple(
        Ready(position=row[1], map_index=row[2], attempt=row[3], withheld=row[8]) for row in queued if not row[6]
    )
    queues = {row[7] for row in queued if row[6]}
    if rows[0][9]:
        queues.add(rows[0][10])
    undecided = any(row[4] == TaskState.PENDING and row[5] == 0 for row in rows)
    over = all(row[1] is None or TaskState(row[4]).is_final for row in rows)
    return Succeeded(ready=ready, undecided=undecided, maybe_over=over, queues=frozenset(queues))


_RELEASE = """
WITH picked AS (
    SELECT w.id FROM workflows_taskexecution w
     WHERE w.run_id = %s AND w.queue = %s AND w.state = 'queued' AND w.withheld
     ORDER BY w.priority DESC, w.id DESC LIMIT 1 FOR NO KEY UPDATE OF w SKIP LOCKED
)
UPDATE workflows_taskexecution t SET withheld = false FROM picked p WHERE t.id = p.id
RETURNING t.position, t.map_index, t.attempt
"""


def release(run_id: int, queue: str) -> Ready | None:
    """Choose one of the run's withheld tasks, which is to be sent after all: who goes on with the run stops."""
    rows = sql.run(_RELEASE, (run_id, queue))
    return Ready(position=rows[0][0], map_index=rows[0][1], attempt=rows[0][2]) if rows else None


_RENEW = """
UPDATE workflows_taskexecution t SET lease_until = now() + make_interval(secs => %s)
  FROM unnest(%s::bigint[], %s::int[], %s::int[], %s::int[]) AS v(run_id, position, map_index, attempt)
 WHERE t.run_id = v.run_id AND t.position = v.position AND t.map_index = v.map_index AND t.attempt = v.attempt
   AND t.state = 'running' AND t.node = %s
RETURNING t.run_id, t.position, t.map_index, t.attempt
"""


def renew(held: Iterable[tuple[int, int, int, int]], *, node: str, lease: float) -> set[tuple[int, int, int, int]]:
    """Extend the leases of (run, position, map index, attempt) that this node runs; returns those it still holds."""
    wanted = sorted(held)  # in the order in which a cancel locks the same rows
    if not wanted:
        return set()
    columns = [list(column) for column in zip(*wanted, strict=True)]
    return {(r, p, m, a) for r, p, m, a in sql.run(_RENEW, (lease, *columns, node))}
