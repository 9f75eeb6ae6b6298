"""The moves of an operator's surgery. The caller holds the run's lock, and cascades afterwards."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from psycopg.types.json import Jsonb

from workflows.core.decide import Counters
from workflows.core.states import Reason, TaskState
from workflows.engine import sql
from workflows.engine.rows import Ready
from workflows.engine.transitions.start import TaskRow

# Failures and losses start anew: an operator's retry is not to fail for tries that were used up before.
_REOPEN = """
WITH moved AS (
    UPDATE workflows_taskexecution t
       SET state = 'pending', reason = %(reason)s, message = '', ended_at = NULL, output = NULL, failures = 0,
           losses = 0, waiting_since = NULL, waiting_on = CASE WHEN t.map_index >= 0 THEN 1 ELSE t.waiting_on END
      FROM (SELECT id, state FROM workflows_taskexecution WHERE id = ANY(%(ids)s::bigint[]) FOR NO KEY UPDATE) AS old
     WHERE t.id = old.id AND t.ended_at IS NOT NULL
 RETURNING t.id, t.run_id, t.task_id, t.attempt, old.state
)
INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason, message)
SELECT run_id, id, task_id, attempt, state, 'pending', %(reason)s, left(%(by)s, 500) FROM moved RETURNING id
"""


def reopen(ids: Sequence[int], *, reason: Reason, by: str) -> int:
    """Any final state → PENDING. Items wait for their mapped task from then on; returns how many were opened."""
    if not ids:
        return 0
    return len(sql.run(_REOPEN, {"ids": list(ids), "reason": reason.value, "by": by}))


_RECOUNT = """
UPDATE workflows_taskexecution t
   SET waiting_on = v.waiting_on, upstreams_failed = v.failed, upstreams_skipped = v.skipped
  FROM unnest(%s::int[], %s::int[], %s::int[], %s::int[]) AS v(position, waiting_on, failed, skipped)
 WHERE t.run_id = %s AND t.position = v.position AND t.map_index = -1
"""


def recount(run_id: int, counters: Mapping[int, Counters]) -> None:
    """Set the counters of tasks, by position."""
    if counters:
        columns = zip(*((p, c.waiting_on, c.failed, c.skipped) for p, c in sorted(counters.items())), strict=True)
        sql.run(_RECOUNT, (*(list(column) for column in columns), run_id))


def adopt(run_id: int, version_id: int, params: Mapping[str, Any]) -> None:
    """Another version for a run that is over, with the parameters that it has by it."""
    sql.run(
        "UPDATE workflows_dagrun SET version_id = %s, params = %s WHERE id = %s AND ended_at IS NOT NULL",
        (version_id, Jsonb(params), run_id),
    )


_REFIT = """
UPDATE workflows_taskexecution t
   SET queue = v.queue, priority = v.priority, timeout = v.timeout, slots = v.slots, gated = v.gated
  FROM unnest(%s::int[], %s::text[], %s::smallint[], %s::float8[], %s::smallint[], %s::bool[])
       AS v(position, queue, priority, timeout, slots, gated)
 WHERE t.run_id = %s AND t.position = v.position AND t.state = 'pending'
"""


def refit(run_id: int, rows: Sequence[TaskRow]) -> None:
    """What a version says of where and how tasks run, for those that wait; items as their mapped task."""
    if rows:
        position, _id, _waiting, *others = (list(column) for column in zip(*rows, strict=True))
        sql.run(_REFIT, (position, *others, run_id))


_RETRY_ITEMS = """
WITH opened AS (
    UPDATE workflows_taskexecution t SET state = 'deferred'
     WHERE t.run_id = %(run)s AND t.position = %(position)s AND t.map_index = -1 AND t.state = 'pending'
 RETURNING t.id, t.run_id, t.task_id, t.attempt
), moved AS (
    UPDATE workflows_taskexecution t
       SET state = 'queued', attempt = t.attempt + 1, queued_at = now(), sent_at = NULL, waiting_on = 0, held = t.gated
      FROM opened o WHERE t.run_id = o.run_id AND t.position = %(position)s AND t.map_index >= 0 AND t.state = 'pending'
 RETURNING t.id, t.run_id, t.task_id, t.attempt, t.map_index, t.held, t.queue
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason)
    SELECT run_id, id, task_id, attempt, 'pending', 'deferred', %(reason)s FROM opened
     UNION ALL
    SELECT run_id, id, task_id, attempt, 'pending', 'queued', %(reason)s FROM moved
)
SELECT map_index, attempt, held, queue FROM moved ORDER BY map_index
"""


def retry_items(run_id: int, position: int) -> list[Ready]:
    """A reopened mapped task waits for its reopened items again: PENDING → DEFERRED, theirs PENDING → QUEUED."""
    asked = {"run": run_id, "position": position, "reason": Reason.CLEARED_BY_USER.value}
    return [
        Ready(position=position, map_index=map_index, attempt=attempt, held=held, queue=queue)
        for map_index, attempt, held, queue in sql.run(_RETRY_ITEMS, asked)
    ]


_MARK = """
WITH asked AS (
    SELECT id, state, node FROM workflows_taskexecution
     WHERE run_id = %(run)s AND position = %(position)s AND (map_index = -1 OR ended_at IS NULL) FOR NO KEY UPDATE
), moved AS (
    UPDATE workflows_taskexecution t
       SET state = CASE WHEN t.map_index = -1 THEN %(to)s ELSE 'cancelled' END, reason = %(reason)s, message = %(by)s,
           ended_at = now(), token = NULL, lease_until = NULL, next_attempt_at = NULL, wake_at = NULL, held = false
      FROM asked a WHERE t.id = a.id
 RETURNING t.id, t.run_id, t.task_id, t.attempt, t.state, a.state AS old, a.node, t.map_index, t.queue, t.gated
), tried AS (
    UPDATE workflows_taskattempt a SET ended_at = now(), "end" = m.state, reason = %(reason)s, message = %(by)s
      FROM moved m WHERE a.task_execution_id = m.id AND a.number = m.attempt AND a.ended_at IS NULL
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason, message, node)
    SELECT run_id, id, task_id, attempt, old, state, %(reason)s, left(%(by)s, 500), node FROM moved
)
SELECT map_index, attempt, old, queue, gated FROM moved
"""


def mark(run_id: int, position: int, to: TaskState, *, by: str) -> list[tuple[int, int, str, str, bool]]:
    """A task that is not final → SUCCESS or FAILED; the open items of a mapped one are cancelled.

    Returns (map index, attempt, state before, queue, gated) of each row that moved.
    """
    asked = {"run": run_id, "position": position, "to": to.value, "by": by, "reason": Reason.MARKED_BY_USER.value}
    return [tuple(row) for row in sql.run(_MARK, asked)]
