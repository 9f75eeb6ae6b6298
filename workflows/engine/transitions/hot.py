"""Success in the hot path, with what the worker goes on with, and the renewal of leases. One commit each."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

from workflows.core.states import TaskState
from workflows.engine import sql
from workflows.engine.rows import Claim, Onward, Ready, Succeeded
from workflows.engine.transitions.claims import next_claim, next_claimed

# The hot path: one statement, one commit, for a success whose downstream tasks are all plain (all_success, no branch).
# The run's lock is shared; rows below are locked in order of id, so that two finishing upstreams cannot deadlock.
_SUCCEED = """
WITH settled AS (
    UPDATE workflows_taskexecution t
       SET state = 'success', ended_at = now(), token = NULL, lease_until = NULL, output = %(output)s::jsonb
      FROM (SELECT pg_advisory_xact_lock_shared(%(key)s)) AS held
     WHERE t.id = %(id)s AND t.token = %(token)s AND (t.state = 'running') IS TRUE
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


def succeed(
    held: Claim,
    *,
    output: str | None,
    below: Sequence[int],
    withhold: Sequence[int] = (),
    onward: Onward | None = None,
) -> Succeeded | None:
    """RUNNING → SUCCESS with the plain tasks below; None when another worker holds the task.

    `output` is JSON text; `below` are the downstream positions, `withhold` those among them that may wait for a worker
    that goes on. With `onward` the same commit claims what this worker goes on with.
    """
    asked: dict[str, Any] = {
        "id": held.execution_id,
        "token": held.token,
        "key": sql.run_key(held.run_id),
        "output": output,
        "below": below[0] if len(below) == 1 else list(below),
    }
    statement: LiteralString = _SUCCEED_ABOVE_ONE if len(below) == 1 else _SUCCEED_ABOVE_MANY
    if withhold:
        statement, asked["withhold"] = _SUCCEED_ABOVE_WIDE, list(withhold)
    if onward is None or not onward.takes:
        return _succeeded(sql.run(statement, asked), None)
    both = [(statement, asked), next_claim(held, onward)]
    if onward.first:
        taken, rows = sql.together(both[::-1])
    else:
        rows, taken = sql.together(both)
    return _succeeded(rows, next_claimed(held.run_id, onward, taken))


def _succeeded(rows: list[sql.Row], following: Claim | None) -> Succeeded | None:
    if not rows:
        return None
    taken = None if following is None else (following.position, following.map_index)
    queued = [row for row in rows if row[4] == TaskState.QUEUED and row[5] == 0 and (row[1], row[2]) != taken]
    ready = tuple(
        Ready(position=row[1], map_index=row[2], attempt=row[3], withheld=row[8]) for row in queued if not row[6]
    )
    queues = {row[7] for row in queued if row[6]}
    if rows[0][9]:
        queues.add(rows[0][10])
    return Succeeded(
        ready=ready,
        queues=frozenset(queues),
        undecided=any(row[4] == TaskState.PENDING and row[5] == 0 for row in rows),
        maybe_over=all(row[1] is None or TaskState(row[4]).is_final for row in rows),
        following=following,
    )


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
