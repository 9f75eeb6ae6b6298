"""What settled upstreams do to the tasks below them: counters, and the verdicts that follow."""

from __future__ import annotations

from collections.abc import Mapping

from workflows.core.joins import Verdict
from workflows.core.states import TaskState
from workflows.engine import sql
from workflows.engine.rows import Below, Ready

_COUNT_DOWN = """
UPDATE workflows_taskexecution d
   SET waiting_on = d.waiting_on - v.settled, upstreams_failed = d.upstreams_failed + v.failed,
       upstreams_skipped = d.upstreams_skipped + v.skipped
  FROM unnest(%s::int[], %s::int[], %s::int[], %s::int[]) AS v(position, settled, failed, skipped)
 WHERE d.run_id = %s AND d.position = v.position AND d.map_index = -1
RETURNING d.position, d.map_index, d.attempt, d.state, d.waiting_on, d.upstreams_failed, d.upstreams_skipped
"""


def count_down(run_id: int, deltas: Mapping[int, tuple[int, int, int]]) -> list[Below]:
    """Apply (settled, failed, skipped) to the counters of tasks, by position. The caller holds the run's lock."""
    columns = zip(*((position, *delta) for position, delta in deltas.items()), strict=True)
    rows = sql.run(_COUNT_DOWN, (*(list(column) for column in columns), run_id))
    return [_below(row) for row in rows]


_UNDECIDED = """
SELECT position, map_index, attempt, state, waiting_on, upstreams_failed, upstreams_skipped
  FROM workflows_taskexecution WHERE run_id = %s AND undecided AND map_index = -1
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
           ended_at = CASE WHEN v.state <> 'queued' THEN now() END,
           held = t.gated AND v.state = 'queued'
      FROM unnest(%s::int[], %s::text[], %s::text[]) AS v(position, state, reason)
     WHERE t.run_id = %s AND t.position = v.position AND t.map_index = -1 AND t.state = 'pending'
 RETURNING t.id, t.run_id, t.task_id, t.position, t.map_index, t.attempt, t.state, t.reason, t.held, t.queue
), told AS (
    INSERT INTO workflows_event (run_id, task_execution_id, task_id, attempt, old, new, reason)
    SELECT run_id, id, task_id, attempt, 'pending', state, reason FROM moved
)
SELECT position, map_index, attempt, state, held, queue FROM moved
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
    ready = [
        Ready(position=position, map_index=map_index, attempt=attempt, held=held, queue=queue)
        for position, map_index, attempt, state, held, queue in rows
        if state == "queued"
    ]
    return ready, {row[0]: TaskState(row[3]) for row in rows if row[3] != "queued"}
