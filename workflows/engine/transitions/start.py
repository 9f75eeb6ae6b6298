"""The rows of a run: those of its tasks when it starts, those of a mapped task's items when their number is known."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from workflows.engine import sql
from workflows.engine.rows import Ready
from workflows.engine.transitions.text import json_text

_INSERT_TASKS = """
INSERT INTO workflows_taskexecution
       (run_id, position, task_id, waiting_on, state, attempt, queued_at, queue, priority, timeout, slots, gated, held)
SELECT %s, v.position, v.task_id, v.waiting_on, CASE WHEN v.waiting_on = 0 THEN 'queued' ELSE 'pending' END,
       CASE WHEN v.waiting_on = 0 THEN 1 ELSE 0 END, CASE WHEN v.waiting_on = 0 THEN now() END,
       v.queue, v.priority, v.timeout, v.slots, v.gated, v.gated AND v.waiting_on = 0
  FROM unnest(%s::int[], %s::text[], %s::int[], %s::text[], %s::smallint[], %s::float8[], %s::smallint[], %s::bool[])
       AS v(position, task_id, waiting_on, queue, priority, timeout, slots, gated)
"""

_TELL_ROOTS = """
INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new)
SELECT run_id, id, task_id, 1, 'pending', 'queued' FROM workflows_taskexecution
 WHERE run_id = %s AND waiting_on = 0 AND state = 'queued' ORDER BY id
"""

# position, task id, waiting on, queue, priority, timeout, slots, gated
TaskRow = tuple[int, str, int, str, int, float | None, int, bool]


# The run's timeout counts from here, not from when it was asked for: it may have waited for its turn.
_START_RUN = """
WITH moved AS (
    UPDATE workflows_dagrun
       SET state = 'running', started_at = now(), deadline_at = now() + (deadline_at - created_at)
     WHERE id = %s AND state = 'pending' RETURNING id
)
INSERT INTO workflows_event (run_id, old, new) SELECT id, 'pending', 'running' FROM moved RETURNING run_id
"""


def start_run(run_id: int, tasks: Sequence[TaskRow]) -> bool:
    """PENDING → RUNNING, with the run's task executions; those without upstreams are queued at once."""
    if not sql.run(_START_RUN, (run_id,)):
        return False
    if tasks:
        sql.run(_INSERT_TASKS, (run_id, *(list(column) for column in zip(*tasks, strict=True))))
        sql.run(_TELL_ROOTS, (run_id,))
    return True


# An item that ran before the mapped task was reopened keeps its row, and with it its attempts and logs.
_EXPAND = """
WITH given AS (
    SELECT t.run_id, t.position, t.task_id, t.queue, t.priority, t.timeout, t.slots, t.gated OR %(limited)s AS gated,
           (v.index - 1)::int AS map_index, v.item
      FROM workflows_taskexecution t, jsonb_array_elements(%(items)s::jsonb) WITH ORDINALITY AS v(item, index)
     WHERE t.id = %(id)s
), made AS (
    INSERT INTO workflows_taskexecution AS i
           (run_id, position, map_index, task_id, item, state, attempt, queued_at, queue, priority, timeout, slots,
            gated, held)
    SELECT run_id, position, map_index, task_id, item, 'queued', 1, now(), queue, priority, timeout, slots, gated, gated
      FROM given ORDER BY map_index
        ON CONFLICT (run_id, position, map_index) DO UPDATE
       SET state = 'queued', attempt = i.attempt + 1, queued_at = now(), waiting_on = 0, item = EXCLUDED.item,
           gated = EXCLUDED.gated, held = EXCLUDED.held
     WHERE i.state = 'pending'
 RETURNING i.id, i.run_id, i.task_id, i.map_index, i.attempt, i.held, i.queue
), gone AS (
    UPDATE workflows_taskexecution t SET state = 'skipped', reason = 'item_gone', ended_at = now(), waiting_on = 0
      FROM workflows_taskexecution g
     WHERE g.id = %(id)s AND t.run_id = g.run_id AND t.position = g.position AND t.state = 'pending'
       AND t.map_index >= %(count)s
 RETURNING t.id, t.run_id, t.task_id, t.attempt
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason)
    SELECT run_id, id, task_id, attempt, 'pending', 'queued', '' FROM made
     UNION ALL
    SELECT run_id, id, task_id, attempt, 'pending', 'skipped', 'item_gone' FROM gone
)
SELECT map_index, attempt, held, queue FROM made ORDER BY map_index
"""


def expand(group_id: int, position: int, items: Sequence[Any], *, limited: bool) -> list[Ready]:
    """A row, queued, for each item of a mapped task. The caller holds the run's lock and has deferred the group."""
    rows = sql.run(
        _EXPAND,
        {"id": group_id, "items": json_text(items), "count": len(items), "limited": limited},
    )
    return [
        Ready(position=position, map_index=map_index, attempt=attempt, held=held, queue=queue)
        for map_index, attempt, held, queue in rows
    ]


_ADMIT = """
UPDATE workflows_taskexecution SET held = false, sent_at = now()
 WHERE id = ANY(%s::bigint[]) AND state = 'queued' AND held RETURNING id
"""


def admit(ids: Sequence[int]) -> set[int]:
    """Let held tasks go: a worker may claim them from now on. Returns those that still waited."""
    return {row[0] for row in sql.run(_ADMIT, (list(ids),))} if ids else set()
