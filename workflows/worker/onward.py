"""Going on: after a success, a pool child takes the next ready task of the same run by itself, without a message.

A message costs more than a task's part in PostgreSQL. What is ready next is known where a success is committed, so
the same commit claims it for this child, and what else is ready is sent as always. Of a wide fan-out only as many tasks
are sent as there are children to take them; the others wait, withheld, for whoever goes on with the run. A child goes
on for GO_ON_SECONDS at most, so that other runs get their turn, and never with a less urgent task.
"""

from __future__ import annotations

import logging
import time
import uuid
from typing import Any

from django.db import connections

from workflows import failpoints
from workflows.conf import conf
from workflows.core.errors import LostClaim
from workflows.core.plan import Plan, PlannedTask
from workflows.engine import plans, transitions
from workflows.engine.advance import Consequences
from workflows.engine.finish import Finished
from workflows.engine.rows import Claim, Onward
from workflows.executors.canvas import celery_id
from workflows.worker import nodes, outbox, runner, watching
from workflows.worker.board import BOARD, Key

log = logging.getLogger(__name__)
MANY = 8  # upstreams of a join whose count is in demand
CAPACITY_SECONDS = 5.0  # for how long the number of children that take from a queue is believed

_capacity: dict[str, tuple[float, int]] = {}


class Stream:
    """The attempts that one message leads to: its own, and those that this child goes on with."""

    def __init__(self, request: Any) -> None:
        self._request = request
        self._root: Key = tuple(request.args)
        self._until: float | None = None  # counts from the first end: a long task is no reason to stop after it

    def onward(self, plan: Plan, task: PlannedTask) -> Onward | None:
        """How this child goes on after the task's success; None: it does not, and all that is ready is sent.

        What a chord carries is left to Celery, which counts its parts.
        """
        links = self._request.chain or ()
        chord = self._request.chord or any((link.get("options") or {}).get("chord") for link in links)
        if not BOARD.joined or conf.GO_ON_SECONDS <= 0 or chord:
            return None
        followed = tuple(p for p in task.downstream if plan.tasks[p].followable)
        return Onward(
            token=uuid.uuid4(),
            node=self._request.hostname or "",
            lease=conf.LEASE_SECONDS,
            queue=conf.queue_of(task.pool),
            priority=task.priority,
            positions=followed,
            wide=plan.wide,
            first=plan.wide and bool(task.downstream) and _joined(plan, task),
            takes=task.followable and bool(followed or plan.wide) and self._in_time(),
            window=_others(conf.queue_of(task.pool)) if plan.fan_out(task.position) else None,
        )

    def _in_time(self) -> bool:
        if self._until is None:
            self._until = time.monotonic() + conf.GO_ON_SECONDS
        return time.monotonic() < self._until and not BOARD.stopping

    def follow(self, finished: Finished, plan: Plan, task: PlannedTask) -> None:
        """Go on from the message's own attempt as far as it goes."""
        self._request.chain = None  # what the message would have carried is gone on with, or sent with the rest
        BOARD.write(self._root, None)
        watching.ended(self._request, self._root, finished)
        try:
            while finished.following is not None:
                finished, plan, task = self._next(finished.following, finished.after, plan)
            self.hand_on(finished.after, plan, task)
            self._send(finished.after)
        except LostClaim as error:
            log.warning("%s", error)
        except Exception:
            log.exception("going on from %s broke off; the lease and the reconciler make it good", self._root)
        finally:
            BOARD.write(self._root, None)

    def hand_on(self, after: Consequences, plan: Plan, task: PlannedTask) -> None:
        """Before stopping: one of the tasks that wait for such as us is sent; whom it reaches takes our place."""
        if not plan.wide:
            return
        try:
            for run_id, _, _, row in transitions.release(1, run_id=self._root[0]):
                after.ready(plan, run_id, [row])
        except Exception:  # the outcome is committed: what follows from it must not be lost with this
            log.exception("a withheld task could not be handed on; the reconciler will")

    def _next(self, held: Claim, after: Consequences, plan: Plan) -> tuple[Finished, Plan, PlannedTask]:
        """Run what the last commit claimed; before it, send what else that commit made ready."""
        key = (held.run_id, held.position, held.map_index, held.attempt)
        BOARD.write(self._root, key)
        failpoints.hit("going_on")
        self._send(after)
        began = time.monotonic()
        watching.started(self._request, key, lambda: f"{plan.dag_id}.{plan.tasks[held.position].id}")
        finished, plan, task = runner.run(held, self.onward)
        note(finished)
        BOARD.write(self._root, None)
        watching.ended(self._request, key, finished, began)
        if log.isEnabledFor(logging.INFO):
            name, took = f"{plan.dag_id}.{task.id}[{celery_id(*key)}]", time.monotonic() - began
            log.info("Task %s ended as %s in %.3fs, without a message", name, finished.state.value, took)
        return finished, plan, task

    def _send(self, after: Consequences) -> None:
        outbox.put(after, self._request, succeeded=True)
        try:
            feed(after)
            outbox.flush()
        except Exception:  # as Celery's signals do it: what is held by now runs all the same
            log.exception("what became ready could not be sent; the reconciler will")
        refresh_connections()


def note(finished: Finished) -> None:
    """Tell the worker that there are withheld tasks."""
    if finished.withheld:
        BOARD.withhold(True)


def feed(after: Consequences) -> int:
    """Have withheld tasks sent to those children of the worker that have nothing to do; how many."""
    idle = BOARD.idle if BOARD.withheld else 0
    if not idle:
        return 0
    BOARD.withhold(False)  # before looking: who withholds meanwhile says so again
    found: list[transitions.Released] | None = None
    try:
        found = transitions.release(idle)
    finally:
        if found is None or len(found) == idle:
            BOARD.withhold(True)
    for run_id, version_id, priority, row in found:
        after.ready(plans.plan_of(version_id).at(priority), run_id, [row])
    return len(found)


def _joined(plan: Plan, task: PlannedTask) -> bool:
    """Whether all below is joined from many: nothing of it is ready for certain, and their counts are in demand."""
    return all(len(plan.tasks[p].upstream) >= MANY for p in task.downstream)


def _others(queue: str) -> int | None:
    """How many pool children a message could reach: all but this one, or, where there is no other node, those that have
    nothing to do. None when no node has said how many it has."""
    capacity = _capacity_of(queue)
    if capacity is None:
        return None
    return BOARD.idle if capacity <= BOARD.children else capacity - 1


def _capacity_of(queue: str) -> int | None:
    until, known = _capacity.get(queue, (0.0, 0))
    if time.monotonic() >= until:
        known = nodes.capacity(queue, within=conf.LEASE_SECONDS)
        _capacity[queue] = (time.monotonic() + CAPACITY_SECONDS, known)
    return known or None


def refresh_connections() -> None:
    """Between two attempts: Celery is told to keep Django's connections, and one that broke would stay broken."""
    for connection in connections.all(initialized_only=True):
        connection.close_if_unusable_or_obsolete()
