"""The rows of a run: those of its tasks when it starts, those of a mapped task's items when their number is known."""

from __future__ import annotations

from collections.abc import Sequence

from workflows.engine import sql

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
