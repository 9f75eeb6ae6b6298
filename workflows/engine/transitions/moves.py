"""The general moves: one task, one run, or all that is unsettled in a run."""

from __future__ import annotations

from workflows.core.states import Reason, RunState, TaskState
from workflows.engine import sql
from workflows.engine.rows import Attempted, Moved, Ready, Stopped
from workflows.engine.transitions.text import storable

# Both share the run's lock with claims and completions: a cancel comes wholly before or wholly after them. Without it,
# one that has ended the run and not yet its tasks would be followed by the event of a task in a run that is over.
_HELD = """(
    SELECT pg_advisory_xact_lock_shared(%(runs)s | run_id) FROM workflows_taskexecution WHERE id = %(id)s
) AS held"""

_CLOSE = """
WITH closed AS (
    UPDATE workflows_taskexecution t
       SET state = %(to)s, reason = %(reason)s, message = %(message)s, token = NULL, lease_until = NULL,
           next_attempt_at = now() + make_interval(secs => %(delay)s),
           ended_at = CASE WHEN %(final)s THEN now() END, held = false, wake_at = NULL, waiting_since = NULL,
           failures = failures + %(failures)s, losses = losses + %(losses)s,
           output = COALESCE(%(output)s::jsonb, output)
      FROM %(held)s
     WHERE t.id = %(id)s AND t.state = %(expect)s
       AND (%(token)s::uuid IS NULL OR t.token = %(token)s::uuid) AND t.attempt = %(attempt)s
       AND (NOT %(expired)s OR t.lease_until < now())
 RETURNING t.id, t.run_id, t.task_id, t.attempt, t.node, t.queue, t.gated
), tried AS (
    UPDATE workflows_taskattempt a
       SET ended_at = now(), "end" = %(end)s, reason = %(reason)s, message = %(message)s
      FROM closed c WHERE a.task_execution_id = c.id AND a.number = c.attempt AND a.ended_at IS NULL
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason, message, node)
    SELECT run_id, id, task_id, attempt, %(expect)s, %(to)s, %(reason)s, left(%(message)s, 500), node FROM closed
)
SELECT run_id, queue, gated FROM closed
""".replace("%(held)s", _HELD)


def move_task(
    which: Attempted,
    *,
    expect: TaskState,
    to: TaskState,
    reason: Reason = Reason.NONE,
    message: str = "",
    end: str | None = None,
    delay: float | None = None,
    output: str | None = None,
    counts: str = "",
) -> Moved | None:
    """Move one task execution of exactly this attempt; None when it is no longer where `expect` says.

    `delay` (seconds) is for RETRYING. `counts` is "failure" or "loss": which of the task's tries it uses up.
    Does not touch the tasks below: `engine.advance` does, in the same transaction.
    """
    rows = sql.run(
        _CLOSE,
        {
            "id": which.execution_id,
            "runs": sql.run_key(0),
            "attempt": which.attempt,
            "token": which.token,
            "expired": which.expired,
            "expect": expect.value,
            "to": to.value,
            "reason": reason.value,
            "message": storable(message),
            "end": end or to.value,
            "delay": delay,
            "final": to.is_final,
            "output": output,
            "failures": int(counts == "failure"),
            "losses": int(counts == "loss"),
        },
    )
    return Moved(run_id=rows[0][0], queue=rows[0][1], gated=rows[0][2]) if rows else None


_REQUEUE = """
WITH moved AS (
    UPDATE workflows_taskexecution t
       SET state = 'queued', attempt = t.attempt + 1, queued_at = now(), sent_at = NULL, token = NULL,
           lease_until = NULL, next_attempt_at = NULL, wake_at = NULL, held = t.gated, withheld = false,
           reason = %(reason)s, losses = losses + %(losses)s
      FROM %(held)s
     WHERE t.id = %(id)s AND t.attempt = %(attempt)s AND t.state = %(expect)s
       AND (NOT %(expired)s OR t.lease_until < now())
 RETURNING t.id, t.run_id, t.task_id, t.attempt, t.position, t.map_index, t.held, t.queue
), tried AS (
    UPDATE workflows_taskattempt a SET ended_at = now(), "end" = %(end)s, reason = %(reason)s
      FROM moved m WHERE a.task_execution_id = m.id AND a.number = m.attempt - 1 AND a.ended_at IS NULL
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason)
    SELECT run_id, id, task_id, attempt, %(expect)s, 'queued', %(reason)s FROM moved
)
SELECT position, map_index, attempt, held, queue FROM moved
""".replace("%(held)s", _HELD)


def requeue(which: Attempted, *, expect: TaskState, reason: Reason, end: str, lost: bool = False) -> Ready | None:
    """RUNNING or RETRYING → QUEUED with the next attempt number: after a loss, a hand-back, or when a retry is due."""
    rows = sql.run(
        _REQUEUE,
        {
            "id": which.execution_id,
            "runs": sql.run_key(0),
            "attempt": which.attempt,
            "expired": which.expired,
            "expect": expect.value,
            "reason": reason.value,
            "end": end,
            "losses": int(lost),
        },
    )
    if not rows:
        return None
    position, map_index, attempt, held, queue = rows[0]
    return Ready(position=position, map_index=map_index, attempt=attempt, held=held, queue=queue)


def move_run(run_id: int, *, expect: RunState, to: RunState, reason: Reason = Reason.NONE, message: str = "") -> bool:
    """Move a run; False when it is no longer where `expect` says."""
    rows = sql.run(
        """
        WITH moved AS (
            UPDATE workflows_dagrun SET state = %(to)s, reason = %(reason)s,
                   ended_at = CASE WHEN %(final)s THEN now() END, started_at = COALESCE(started_at, now())
             WHERE id = %(id)s AND state = %(expect)s RETURNING id
        )
        INSERT INTO workflows_event (run_id, old, new, reason, message)
        SELECT id, %(expect)s, %(to)s, %(reason)s, left(%(message)s, 500) FROM moved RETURNING run_id
        """,
        {
            "id": run_id,
            "to": to.value,
            "expect": expect.value,
            "reason": reason.value,
            "final": to.is_final,
            "message": message,
        },
    )
    return bool(rows)


_CANCEL = """
WITH asked AS (
    SELECT id, state, attempt, node FROM workflows_taskexecution WHERE run_id = %(run)s AND ended_at IS NULL
     ORDER BY id FOR NO KEY UPDATE
), moved AS (
    UPDATE workflows_taskexecution t
       SET state = 'cancelled', reason = %(reason)s, ended_at = now(), token = NULL, lease_until = NULL,
           next_attempt_at = NULL, held = false, wake_at = NULL, waiting_since = NULL
      FROM asked a WHERE t.id = a.id
 RETURNING t.id, t.run_id, t.task_id, t.position, t.map_index, t.attempt, a.state AS old, a.node, t.queue, t.gated
), tried AS (
    UPDATE workflows_taskattempt a SET ended_at = now(), "end" = 'cancelled', reason = %(reason)s
      FROM moved m WHERE a.task_execution_id = m.id AND a.number = m.attempt AND a.ended_at IS NULL
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason, node)
    SELECT run_id, id, task_id, attempt, old, 'cancelled', %(reason)s, node FROM moved
)
SELECT position, map_index, attempt, old, queue, gated FROM moved
"""


def cancel_tasks(run_id: int, reason: Reason) -> list[Stopped]:
    """Cancel every unsettled task of a run. The caller holds the run's lock."""
    rows = sql.run(_CANCEL, {"run": run_id, "reason": reason.value})
    return [
        Stopped(position=position, map_index=map_index, attempt=attempt, old=TaskState(old), queue=queue, gated=gated)
        for position, map_index, attempt, old, queue, gated in rows
    ]
