"""Tell, once, that a run is late. It stays where it is: the event says so and nothing else does."""

from __future__ import annotations

from workflows.core.states import Reason
from workflows.engine import sql

# The run's row is locked: a move of the run comes wholly before it or after it, and nothing is told after its end.
_TELL = """
WITH due AS (
    SELECT id, state, ended_at FROM workflows_dagrun WHERE late_at <= now()
     ORDER BY late_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
), told AS (
    UPDATE workflows_dagrun r SET late_at = NULL FROM due d WHERE r.id = d.id RETURNING r.id, d.state, d.ended_at
)
INSERT INTO workflows_event (run_id, old, new, reason, message)
SELECT id, state, state, %(reason)s, 'it has not ended within late_after' FROM told WHERE ended_at IS NULL
RETURNING run_id
"""


def tell_late(limit: int = 500) -> int:
    """An event for each run that is late now, and was not told to be; returns how many."""
    return len(sql.run(_TELL, {"limit": limit, "reason": Reason.LATE.value}))
