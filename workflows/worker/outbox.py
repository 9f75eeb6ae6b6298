"""What a pool child is to send once Celery has ended the task: filled in the body, emptied by the signals."""

from __future__ import annotations

import logging
from typing import Any

from workflows.core.plan import Plan
from workflows.engine import sql
from workflows.engine.advance import Consequences, conclude
from workflows.executors import send
from workflows.executors.send import Dispatch

log = logging.getLogger(__name__)
_waiting: list[Consequences] = []

_WHOLE = "SELECT bool_and(attempt = 1) FROM workflows_taskexecution WHERE run_id = %s AND position = ANY(%s::int[])"


def carried(request: Any, plan: Plan, run_id: int) -> frozenset[int]:
    """The positions that Celery itself delivers when this task succeeds: the chain's next, or the chord's body.

    A chord's body comes only if every header element ran in the chord: a retried one ran outside it.
    """
    if request.chain:
        return frozenset((int(request.chain[-1]["args"][1]),))
    if request.chord:
        body = int(request.chord["args"][1])
        header = [p for p in plan.segment_of[body].positions if p != body]
        if sql.run(_WHOLE, (run_id, header))[0][0]:
            return frozenset((body,))
    return frozenset()


def put(after: Consequences, *, carried: frozenset[int]) -> None:
    """Keep what a finished attempt left to do, without what the canvas carries."""
    if carried:
        after.dispatches = [_without(dispatch, carried) for dispatch in after.dispatches]
    _waiting.append(after)


def _without(dispatch: Dispatch, carried: frozenset[int]) -> Dispatch:
    """A retried task that became ready again in the same commit is not what the canvas carries."""
    ready = tuple(item for item in dispatch.ready if item[0] not in carried or item[2] != 1)
    return Dispatch(plan=dispatch.plan, run_id=dispatch.run_id, ready=ready)


def flush() -> None:
    """Send what is ready, then end the runs that are over. What fails here is left to the reconciler."""
    while _waiting:
        after = _waiting.pop(0)
        send.send(after.dispatches)
        after.dispatches = []
        conclude(after)
        send.send(after.dispatches)
