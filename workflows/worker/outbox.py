"""What a pool child is to send once Celery has ended the task: filled in the body, emptied by the signals."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

from workflows import failpoints
from workflows.engine import sql
from workflows.engine.advance import Consequences
from workflows.engine.launch import follow_up
from workflows.executors.send import Dispatch

log = logging.getLogger(__name__)
_waiting: list[Consequences] = []

_WHOLE = "SELECT bool_and(attempt = 1) FROM workflows_taskexecution WHERE run_id = %s AND position = ANY(%s::int[])"


def put(after: Consequences, request: Any, *, succeeded: bool) -> None:
    """Keep what a finished attempt left to do, without what Celery itself delivers, which it does after a success."""
    run = request.args[0]
    position = _carried(request) if succeeded else None
    if position is not None:
        after.dispatches = [
            _without(dispatch, position) if dispatch.run_id == run else dispatch for dispatch in after.dispatches
        ]
    _waiting.append(after)


def _carried(request: Any) -> int | None:
    """The position that Celery sends when this task succeeds: the chain's next, or the chord's body."""
    follower = request.chain[-1] if request.chain else request.chord
    return int(follower["args"][1]) if follower else None


def _without(dispatch: Dispatch, position: int) -> Dispatch:
    """Leave out what the canvas carries: a first attempt; a chord's body only if the whole header ran in the chord.

    A header element that was retried ran outside it, and the chord never comes to its body.
    """
    first = (position, -1, 1)
    if first not in dispatch.ready or not _comes(dispatch, position):
        return dispatch
    return replace(dispatch, ready=tuple(item for item in dispatch.ready if item != first))


def _comes(dispatch: Dispatch, position: int) -> bool:
    segment = dispatch.plan.segment_of[position]
    if segment.body != position:
        return True
    header = [p for p in segment.positions if p != position]
    return bool(sql.run(_WHOLE, (dispatch.run_id, header))[0][0])


def flush() -> None:
    """Send what is ready, then end the runs that are over. What fails here is left to the reconciler."""
    while _waiting:
        after = _waiting.pop(0)
        failpoints.hit("carried")
        follow_up(after)
