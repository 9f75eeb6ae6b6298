"""The only code that writes a state (an architecture test keeps it so).

Every move is one guarded UPDATE whose row count says who won, with its event in the same statement. A lost race is not
an error: the functions return None, False or fewer rows. Times are PostgreSQL's.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from workflows.core.joins import Verdict
from workflows.core.states import Reason, RunState, TaskState
from workflows.engine import sql
from workflows.engine.rows import Attempted, Below, Claim, Ready, Succeeded

MESSAGE_MAX = 4_000  # characters of an error message kept with a row; the log has the rest


# The run's lock is shared with other claims and completions: against a cancel, one comes wholly before the other, and
# no event tells of a start after the run's end.
_CLAIM = """
WITH claimed AS (
    UPDATE workflows_taskexecution t
       SET state = 'running', token = %(token)s, node = %(node)s, reason = '', message = '',
           lease_until = now() + make_interval(secs => %(lease)s), started_at = now(), sent_at = NULL
      FROM workflows_dagrun r, (SELECT pg_advisory_xact_lock_shared(%(key)s)) AS held
     WHERE t.run_id = %(run)s AND t.position = %(position)s AND t.map_index = %(map_index)s
       AND t.attempt = %(attempt)s AND t.state = 'queued' AND NOT t.held
       AND r.id = t.run_id AND r.state = 'running' AND r.paused_at IS NULL
 RETURNING t.id, t.run_id, t.task_id, t.attempt, t.failures,
           r.version_id, r.params, r.logical_date, r.trigger, r.external_id, r.interval_end, r.priority, t.item
), tried AS (
    INSERT INTO workflows_taskattempt (task_execution_id, number, token, node)
    SELECT id, attempt, %(token)s, %(node)s FROM claimed
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, node)
    SELECT run_id, id, task_id, attempt, 'queued', 'running', %(node)s FROM claimed
)
SELECT id, failures, version_id, params, logical_date, trigger, external_id, interval_end, priority, item FROM claimed
"""

_CLAIMED_BEFORE = """
SELECT t.id, t.failures, r.version_id, r.params, r.logical_date, r.trigger, r.external_id, r.interval_end, r.priority,
       t.item
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.run_id = %(run)s AND t.position = %(position)s AND t.map_index = %(map_index)s AND t.token = %(token)s
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
        rows = sql.run(_CLAIMED_BEFORE, asked) if asked_before else []  # type: ignore[arg-type]
        asked_before = True
        return rows or sql.run(_CLAIM, asked)  # type: ignore[arg-type]

    rows = sql.persist(ask)
    if not rows:
        return None
    execution_id, failures, version_id, params, logical_date, trigger, external_id, until, priority, item = rows[0]
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
        interval_end=until,
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
 RETURNING t.id, t.run_id, t.task_id, t.attempt, t.node
), tried AS (
    UPDATE workflows_taskattempt a SET ended_at = now(), "end" = 'success'
      FROM settled s WHERE a.task_execution_id = s.id AND a.number = s.attempt
), locked AS (
    SELECT d.id FROM workflows_taskexecution d, settled s
     WHERE d.run_id = s.run_id AND d.position = ANY(%(below)s::int[])
     ORDER BY d.id FOR NO KEY UPDATE OF d
), moved AS (
    UPDATE workflows_taskexecution d
       SET waiting_on = d.waiting_on - 1,
           state = CASE WHEN %(ready)s THEN 'queued' ELSE d.state END,
           attempt = CASE WHEN %(ready)s THEN d.attempt + 1 ELSE d.attempt END,
           queued_at = CASE WHEN %(ready)s THEN now() ELSE d.queued_at END
      FROM locked l WHERE d.id = l.id
 RETURNING d.id, d.run_id, d.task_id, d.position, d.map_index, d.attempt, d.state, d.waiting_on
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, node)
    SELECT run_id, id, task_id, attempt, 'running', 'success', node FROM settled
    UNION ALL
    SELECT run_id, id, task_id, attempt, 'pending', 'queued', '' FROM moved WHERE state = 'queued' AND waiting_on = 0
)
SELECT s.id, m.position, m.map_index, m.attempt, m.state, m.waiting_on FROM settled s LEFT JOIN moved m ON true
""".replace(
    "%(ready)s", "d.state = 'pending' AND d.waiting_on = 1 AND d.upstreams_failed = 0 AND d.upstreams_skipped = 0"
)


def succeed(held: Claim, *, output: str | None, below: Sequence[int]) -> Succeeded | None:
    """RUNNING → SUCCESS with the plain tasks below; None when another worker holds the task.

    `output` is JSON text; `below` are the downstream positions.
    """
    asked = {
        "id": held.execution_id,
        "token": held.token,
        "key": sql.run_key(held.run_id),
        "output": output,
        "below": list(below),
    }
    rows = sql.run(_SUCCEED, asked)  # type: ignore[arg-type]
    if not rows:
        return None
    ready = tuple(
        Ready(position=position, map_index=map_index, attempt=attempt)
        for _, position, map_index, attempt, state, waiting in rows
        if state == TaskState.QUEUED and waiting == 0
    )
    undecided = any(row[4] == TaskState.PENDING and row[5] == 0 for row in rows)
    over = all(row[1] is None or TaskState(row[4]).is_final for row in rows)
    return Succeeded(ready=ready, undecided=undecided, maybe_over=over)


_CLOSE = """
WITH closed AS (
    UPDATE workflows_taskexecution t
       SET state = %(to)s, reason = %(reason)s, message = %(message)s, token = NULL, lease_until = NULL,
           next_attempt_at = now() + make_interval(secs => %(delay)s),
           ended_at = CASE WHEN %(final)s THEN now() END,
           failures = failures + %(failures)s, losses = losses + %(losses)s,
           output = COALESCE(%(output)s::jsonb, output)
     WHERE t.id = %(id)s AND t.state = %(expect)s
       AND (%(token)s::uuid IS NULL OR t.token = %(token)s::uuid) AND t.attempt = %(attempt)s
       AND (NOT %(expired)s OR t.lease_until < now())
 RETURNING t.id, t.run_id, t.task_id, t.attempt, t.node
), tried AS (
    UPDATE workflows_taskattempt a
       SET ended_at = now(), "end" = %(end)s, reason = %(reason)s, message = %(message)s
      FROM closed c WHERE a.task_execution_id = c.id AND a.number = c.attempt AND a.ended_at IS NULL
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason, message, node)
    SELECT run_id, id, task_id, attempt, %(expect)s, %(to)s, %(reason)s, left(%(message)s, 500), node FROM closed
)
SELECT id FROM closed
"""


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
) -> bool:
    """Move one task execution of exactly this attempt; False when it is no longer where `expect` says.

    `delay` (seconds) is for RETRYING. `counts` is "failure" or "loss": which of the task's tries it uses up.
    Does not touch the tasks below: `engine.advance` does, in the same transaction.
    """
    rows = sql.run(
        _CLOSE,
        {  # type: ignore[arg-type]
            "id": which.execution_id,
            "attempt": which.attempt,
            "token": which.token,
            "expired": which.expired,
            "expect": expect.value,
            "to": to.value,
            "reason": reason.value,
            "message": _storable(message),
            "end": end or to.value,
            "delay": delay,
            "final": to.is_final,
            "output": output,
            "failures": int(counts == "failure"),
            "losses": int(counts == "loss"),
        },
    )
    return bool(rows)


_REQUEUE = """
WITH moved AS (
    UPDATE workflows_taskexecution t
       SET state = 'queued', attempt = t.attempt + 1, queued_at = now(), sent_at = NULL, token = NULL, lease_until =
       NULL,
           next_attempt_at = NULL, reason = %(reason)s, losses = losses + %(losses)s
     WHERE t.id = %(id)s AND t.attempt = %(attempt)s AND t.state = %(expect)s
       AND (NOT %(expired)s OR t.lease_until < now())
 RETURNING t.id, t.run_id, t.task_id, t.attempt, t.position, t.map_index
), tried AS (
    UPDATE workflows_taskattempt a SET ended_at = now(), "end" = %(end)s, reason = %(reason)s
      FROM moved m WHERE a.task_execution_id = m.id AND a.number = m.attempt - 1 AND a.ended_at IS NULL
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason)
    SELECT run_id, id, task_id, attempt, %(expect)s, 'queued', %(reason)s FROM moved
)
SELECT position, map_index, attempt FROM moved
"""


def requeue(which: Attempted, *, expect: TaskState, reason: Reason, end: str, lost: bool = False) -> Ready | None:
    """RUNNING or RETRYING → QUEUED with the next attempt number: after a loss, a hand-back, or when a retry is due."""
    rows = sql.run(
        _REQUEUE,
        {  # type: ignore[arg-type]
            "id": which.execution_id,
            "attempt": which.attempt,
            "expired": which.expired,
            "expect": expect.value,
            "reason": reason.value,
            "end": end,
            "losses": int(lost),
        },
    )
    return Ready(position=rows[0][0], map_index=rows[0][1], attempt=rows[0][2]) if rows else None


_COUNT_DOWN = """
UPDATE workflows_taskexecution d
   SET waiting_on = d.waiting_on - v.settled, upstreams_failed = d.upstreams_failed + v.failed,
       upstreams_skipped = d.upstreams_skipped + v.skipped
  FROM unnest(%s::int[], %s::int[], %s::int[], %s::int[]) AS v(position, settled, failed, skipped)
 WHERE d.run_id = %s AND d.position = v.position
RETURNING d.position, d.map_index, d.attempt, d.state, d.waiting_on, d.upstreams_failed, d.upstreams_skipped
"""


def count_down(run_id: int, deltas: Mapping[int, tuple[int, int, int]]) -> list[Below]:
    """Apply (settled, failed, skipped) to the counters of tasks, by position. The caller holds the run's lock."""
    columns = zip(*((position, *delta) for position, delta in deltas.items()), strict=True)
    rows = sql.run(_COUNT_DOWN, (*(list(column) for column in columns), run_id))
    return [_below(row) for row in rows]


_UNDECIDED = """
SELECT position, map_index, attempt, state, waiting_on, upstreams_failed, upstreams_skipped
  FROM workflows_taskexecution WHERE run_id = %s AND state = 'pending' AND waiting_on = 0
"""


def undecided(run_id: int) -> list[Below]:
    """Tasks whose upstreams have all settled and that still wait for their verdict. The caller holds the run's lock."""
    return [_below(row) for row in sql.run(_UNDECIDED, (run_id,))]


def _below(row: sql.Row) -> Below:
    position, map_index, attempt, state, waiting_on, failed, skipped = row
    return Below(
        position=position,
        map_index=map_index,
        attempt=attempt,
        state=TaskState(state),
        waiting_on=waiting_on,
        failed=failed,
        skipped=skipped,
    )


_RESOLVE = """
WITH moved AS (
    UPDATE workflows_taskexecution t
       SET state = v.state, reason = v.reason,
           attempt = CASE WHEN v.state = 'queued' THEN t.attempt + 1 ELSE t.attempt END,
           queued_at = CASE WHEN v.state = 'queued' THEN now() ELSE t.queued_at END,
           ended_at = CASE WHEN v.state <> 'queued' THEN now() END
      FROM unnest(%s::int[], %s::text[], %s::text[]) AS v(position, state, reason)
     WHERE t.run_id = %s AND t.position = v.position AND t.state = 'pending'
 RETURNING t.id, t.run_id, t.task_id, t.position, t.map_index, t.attempt, t.state, t.reason
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason)
    SELECT run_id, id, task_id, attempt, 'pending', state, reason FROM moved
)
SELECT position, map_index, attempt, state FROM moved
"""


def resolve(run_id: int, verdicts: Mapping[int, Verdict]) -> tuple[list[Ready], dict[int, TaskState]]:
    """PENDING → what the verdicts say, by position. Returns what became queued, and what settled without running."""
    rows = sql.run(
        _RESOLVE,
        (
            list(verdicts),
            [v.state.value for v in verdicts.values()],
            [v.reason.value for v in verdicts.values()],
            run_id,
        ),
    )
    ready = [Ready(position=p, map_index=m, attempt=a) for p, m, a, state in rows if state == "queued"]
    return ready, {p: TaskState(state) for p, _, _, state in rows if state != "queued"}


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


_INSERT_TASKS = """
INSERT INTO workflows_taskexecution
       (run_id, position, task_id, waiting_on, state, attempt, queued_at, queue, priority, timeout)
SELECT %s, v.position, v.task_id, v.waiting_on, CASE WHEN v.waiting_on = 0 THEN 'queued' ELSE 'pending' END,
       CASE WHEN v.waiting_on = 0 THEN 1 ELSE 0 END, CASE WHEN v.waiting_on = 0 THEN now() END,
       v.queue, v.priority, v.timeout
  FROM unnest(%s::int[], %s::text[], %s::int[], %s::text[], %s::smallint[], %s::float8[])
       AS v(position, task_id, waiting_on, queue, priority, timeout)
"""

_TELL_ROOTS = """
INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new)
SELECT run_id, id, task_id, 1, 'pending', 'queued' FROM workflows_taskexecution
 WHERE run_id = %s AND waiting_on = 0 AND state = 'queued' ORDER BY id
"""

TaskRow = tuple[int, str, int, str, int, float | None]  # position, task id, waiting on, queue, priority, timeout


def start_run(run_id: int, tasks: Sequence[TaskRow]) -> bool:
    """PENDING → RUNNING, with the run's task executions; those without upstreams are queued at once."""
    rows = sql.run(
        """
        WITH moved AS (
            UPDATE workflows_dagrun SET state = 'running', started_at = now()
             WHERE id = %s AND state = 'pending' RETURNING id
        )
        INSERT INTO workflows_event (run_id, old, new) SELECT id, 'pending', 'running' FROM moved RETURNING run_id
        """,
        (run_id,),
    )
    if not rows:
        return False
    if tasks:
        sql.run(_INSERT_TASKS, (run_id, *(list(column) for column in zip(*tasks, strict=True))))
        sql.run(_TELL_ROOTS, (run_id,))
    return True


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
        {  # type: ignore[arg-type]
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
           next_attempt_at = NULL
      FROM asked a WHERE t.id = a.id
 RETURNING t.id, t.run_id, t.task_id, t.position, t.map_index, t.attempt, a.state AS old, a.node
), tried AS (
    UPDATE workflows_taskattempt a SET ended_at = now(), "end" = 'cancelled', reason = %(reason)s
      FROM moved m WHERE a.task_execution_id = m.id AND a.number = m.attempt AND a.ended_at IS NULL
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason, node)
    SELECT run_id, id, task_id, attempt, old, 'cancelled', %(reason)s, node FROM moved
)
SELECT position, map_index, attempt, old, node FROM moved
"""


def cancel_tasks(run_id: int, reason: Reason) -> list[tuple[int, int, int, str, str]]:
    """Cancel every unsettled task of a run. The caller holds the run's lock.

    Returns (position, map index, attempt, state before, node) of each.
    """
    return [tuple(row) for row in sql.run(_CANCEL, {"run": run_id, "reason": reason.value})]  # type: ignore[arg-type]


def _storable(message: str) -> str:
    """A message as PostgreSQL takes it: file names that are not UTF-8 reach us as half surrogate pairs."""
    return message[:MESSAGE_MAX].encode("utf-8", "replace").decode().replace("\x00", "�")


def json_text(value: Any) -> str:
    """JSON as PostgreSQL stores it; ValueError or TypeError when it is not JSON."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
