"""Going on: after a success, a pool child takes the next ready task of the same run by itself, without a message.

A message costs more than the two statements of a task. What is ready next is known where the success was committed,
so that child claims it in PostgreSQL, as any worker would, and what else is ready is sent as always. Of a wide fan-out
only as many tasks are sent as there are children to take them; the others wait, withheld, for whoever goes on with the
run. A child goes on for GO_ON_SECONDS at most, so that other runs get their turn, and never with a less urgent task.
"""

from __future__ import annotations

import logging
import time
from dataclasses import replace
from typing import Any

from django.db import connections

from workflows import failpoints
from workflows.conf import conf
from workflows.core.errors import LostClaim
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import TaskState
from workflows.engine import transitions
from workflows.engine.advance import Consequences
from workflows.engine.finish import Finished
from workflows.engine.rows import Claim
from workflows.executors.canvas import celery_id
from workflows.executors.send import Dispatch
from workflows.worker import nodes, outbox, runner, watching
from workflows.worker.board import BOARD, Key

log = logging.getLogger(__name__)
CAPACITY_SECONDS = 5.0  # for how long the number of children that take from a queue is believed

_capacity: dict[str, tuple[float, int]] = {}
Ready = tuple[int, int, int]  # position, map index, attempt


class Stream:
    """The attempts that one message leads to: its own, and those that this child goes on with."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._root: Key = tuple(request.args)
        self._until = time.monotonic() + conf.GO_ON_SECONDS

    def window(self, task: PlannedTask) -> int | None:
        """How many tasks of a wide fan-out are to be sent: one for each child that could take it. None: all."""
        if not self._able(task):
            return None
        queue = conf.queue_of(task.pool)
        until, known = _capacity.get(queue, (0.0, 0))
        if time.monotonic() >= until:
            known = nodes.capacity(queue, within=conf.LEASE_SECONDS)
            _capacity[queue] = (time.monotonic() + CAPACITY_SECONDS, known)
        return known or None

    def follow(self, finished: Finished, plan: Plan, task: PlannedTask) -> bool:
        """Go on from the message's own attempt as far as it goes; False when nothing followed, and all is as it was."""
        if not self._goes_on(finished, task) or not (plan.wide or _choose(finished.after, self._root[0], plan, task)):
            return False
        self._request.chain = None  # what the message would have carried is gone on with, or sent with the rest
        BOARD.write(self._root, None)
        watching.ended(self._request, self._root, finished)
        try:
            self._go_on(finished, plan, task)
        except LostClaim as error:
            log.warning("%s", error)
        except Exception:
            log.exception("going on from %s broke off; the lease and the reconciler make it good", self._root)
        finally:
            BOARD.write(self._root, None)
        return True

    def hand_on(self, after: Consequences, plan: Plan, task: PlannedTask) -> None:
        """Before stopping: one of the tasks that wait for such as us is sent; whom it reaches takes our place."""
        if plan.wide:
            row = transitions.release(self._root[0], conf.queue_of(task.pool))
            after.ready(plan, self._root[0], [row] if row else [])

    def _go_on(self, finished: Finished, plan: Plan, task: PlannedTask) -> None:
        run_id = self._root[0]
        while self._goes_on(finished, task):
            following = _choose(finished.after, run_id, plan, task)
            if following is not None:
                finished.after.dispatches = [_without(d, run_id, following) for d in finished.after.dispatches]
            self._send(finished.after)
            held = self._claim(following, plan, task)
            if held is None:
                return  # nothing is left to go on with
            finished, plan, task = self._run(held, plan)
        self.hand_on(finished.after, plan, task)
        self._send(finished.after)

    def _run(self, held: Claim, plan: Plan) -> tuple[Finished, Plan, PlannedTask]:
        key = (held.run_id, held.position, held.map_index, held.attempt)
        began = time.monotonic()
        BOARD.write(self._root, key)
        failpoints.hit("claimed")
        watching.started(self._request, key, lambda: f"{plan.dag_id}.{plan.tasks[held.position].id}")
        finished, plan, task = runner.run(held, self.window)
        failpoints.hit("finished")
        BOARD.write(self._root, None)
        watching.ended(self._request, key, finished, began)
        if log.isEnabledFor(logging.INFO):
            name = f"{plan.dag_id}.{task.id}[{celery_id(*key)}]"
            took = time.monotonic() - began
            log.info("Task %s ended as %s in %.3fs, without a message", name, finished.state.value, took)
        return finished, plan, task

    def _claim(self, following: Ready | None, plan: Plan, task: PlannedTask) -> Claim | None:
        """What follows; without it, or when somebody else has it by now, one of the tasks that wait for such as us."""
        failpoints.hit("going_on")
        node, held = self._request.hostname or "", None
        if following is not None:
            held = runner.claim(self._root[0], *following, node=node)
        if held is None and plan.wide:
            held = runner.claim_withheld(self._root[0], conf.queue_of(task.pool), node=node)
        return held

    def _send(self, after: Consequences) -> None:
        outbox.put(after, self._request, succeeded=True)
        outbox.flush()
        refresh_connections()

    def _goes_on(self, finished: Finished, task: PlannedTask) -> bool:
        in_time = time.monotonic() < self._until and not BOARD.stopping
        return finished.state is TaskState.SUCCESS and in_time and self._able(task)

    def _able(self, task: PlannedTask) -> bool:
        """Whether anything may follow at all. What a chord carries is left to Celery, which counts its parts."""
        links = self._request.chain or ()
        chord = self._request.chord or any((link.get("options") or {}).get("chord") for link in links)
        return BOARD.joined and conf.GO_ON_SECONDS > 0 and task.followable and not chord


def _choose(after: Consequences, run_id: int, plan: Plan, task: PlannedTask) -> Ready | None:
    """The most urgent of what became ready that a worker may go on with: of the same pool, and no less urgent."""
    candidates = [
        item
        for dispatch in after.dispatches
        if dispatch.run_id == run_id
        for item in dispatch.ready
        if (below := plan.tasks[item[0]]).followable and below.pool == task.pool and below.priority >= task.priority
    ]
    return max(candidates, key=lambda item: plan.tasks[item[0]].priority, default=None)


def _without(dispatch: Dispatch, run_id: int, taken: Ready) -> Dispatch:
    if dispatch.run_id != run_id or taken not in dispatch.ready:
        return dispatch
    return replace(dispatch, ready=tuple(item for item in dispatch.ready if item != taken))


def refresh_connections() -> None:
    """Between two attempts: Celery is told to keep Django's connections, and one that broke would stay broken."""
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()
