"""The move by which a running task begins to wait without a worker."""

from __future__ import annotations

from datetime import datetime

from workflows.engine import sql
from workflows.engine.rows import Attempted, Moved
from workflows.engine.transitions.text import storable

# A wait goes on over its looks, and over a look that was lost with its worker: its timeout counts from the first
# deferral. What it would succeed with is forgotten when the timeout comes before the time that it waits for.
_DEFER = """
WITH begun AS (
    SELECT t.id, CASE WHEN t.waiting_since IS NOT NULL AND EXISTS (
                     SELECT 1 FROM workflows_taskattempt a
                      WHERE a.task_execution_id = t.id AND a.number = t.attempt - 1
                        AND a."end" IN ('deferred', 'lost', 'handed_back'))
                 THEN t.waiting_since ELSE now() END AS since,
           COALESCE(%(moment)s::timestamptz, now() + make_interval(secs => %(seconds)s)) AS asked
      FROM workflows_taskexecution t
     WHERE t.id = %(id)s AND t.attempt = %(attempt)s AND t.token = %(token)s::uuid AND t.state = 'running'
       FOR NO KEY UPDATE
), timed AS (
    SELECT b.id, b.since, b.asked, b.since + make_interval(secs => t.timeout) AS ends
      FROM begun b JOIN workflows_taskexecution t ON t.id = b.id
), moved AS (
    UPDATE workflows_taskexecution t
       SET state = 'deferred', reason = '', message = %(message)s, token = NULL, lease_until = NULL,
           waiting_since = d.since, wake_at = LEAST(d.asked, d.ends),
           output = CASE WHEN d.ends < d.asked THEN NULL ELSE %(output)s::jsonb END
      FROM timed d WHERE t.id = d.id
 RETURNING t.id, t.run_id, t.task_id, t.attempt, t.node, t.queue, t.gated
), tried AS (
    UPDATE workflows_taskattempt a SET ended_at = now(), "end" = 'deferred', message = %(message)s
      FROM moved m WHERE a.task_execution_id = m.id AND a.number = m.attempt AND a.ended_at IS NULL
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, message, node)
    SELECT run_id, id, task_id, attempt, 'running', 'deferred', left(%(message)s, 500), node FROM moved
)
SELECT run_id, queue, gated FROM moved
"""


def defer(
    which: Attempted, *, until: datetime | float | None, output: str | None = None, message: str = ""
) -> Moved | None:
    """RUNNING → DEFERRED until a moment, for so many seconds, or (None) until somebody or the timeout ends it.

    `output` is JSON text that the task succeeds with when the time has come; without one, it looks again.
    The caller holds the run's lock.
    """
    rows = sql.run(
        _DEFER,
        {
            "id": which.execution_id,
            "attempt": which.attempt,
            "token": which.token,
            "moment": until if isinstance(until, datetime) else None,
            "seconds": float(until) if isinstance(until, (int, float)) else None,
            "output": output,
            "message": storable(message),
        },
    )
    return Moved(run_id=rows[0][0], queue=rows[0][1], gated=rows[0][2]) if rows else None
