"""One thread in the worker's main process: renews the leases of what its children run, reports the node, and kills what
the worker no longer holds. It runs beside the children, so a task that keeps its process busy cannot lose its lease."""

from __future__ import annotations

import logging
import os
import signal
import socket
import threading
import time
from typing import Any

import celery
from celery.worker import state as celery_state

from workflows import failpoints
from workflows.conf import conf
from workflows.core.states import Reason, TaskState
from workflows.engine import plans, sql, transitions
from workflows.engine.advance import Consequences
from workflows.engine.launch import follow_up
from workflows.engine.rows import Attempted
from workflows.executors.canvas import RUN_TASK
from workflows.worker import nodes, onward
from workflows.worker.board import BOARD

log = logging.getLogger(__name__)
Held = tuple[int, int, int, int]
FEED_SECONDS = 0.02  # a ready task waits no longer than this for a child that has nothing to do
SILENCE = 60.0  # seconds without a heartbeat of the event loop before it is worth a warning

_STATES = """
SELECT t.run_id, t.position, t.map_index, t.attempt, t.state, t.id, r.version_id
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
  JOIN unnest(%s::bigint[], %s::int[], %s::int[]) AS v(run_id, position, map_index)
    ON t.run_id = v.run_id AND t.position = v.position AND t.map_index = v.map_index
"""


class LeaseKeeper:
    """Keeps the leases of one worker."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._grace_over: float | None = None
        self._thread: threading.Thread | None = None
        self._name = ""
        self._queues: list[str] = []
        self._concurrency = 0
        self._dispatcher: Any = None
        self._lost_before: set[Held] = set()
        self._alive_at = time.monotonic()
        self._taken = 0

    def start(self, consumer: Any) -> None:
        """Start the thread, which registers the node first: it tries again while the database is away."""
        self._name = consumer.hostname
        self._queues = sorted(str(q.name) for q in consumer.task_consumer.queues) if consumer.task_consumer else []
        self._concurrency = consumer.pool.num_processes
        self._dispatcher = consumer.event_dispatcher
        self._thread = threading.Thread(target=self._loop, name="celeriac-leases", daemon=True)
        self._thread.start()
        threading.Thread(target=self._feed, name="celeriac-feeding", daemon=True).start()

    def _register(self) -> None:
        nodes.register(
            self._name,
            hostname=socket.gethostname(),
            pid=os.getpid(),
            queues=self._queues,
            concurrency=self._concurrency,
            software=f"celery {celery.__version__}",
        )

    def loop_is_alive(self) -> None:
        """Note a sign of life of the worker's event loop."""
        self._alive_at = time.monotonic()

    def stop_soon(self) -> None:
        """Hand back what still runs after the grace."""
        self._grace_over = time.monotonic() + conf.STOP_GRACE
        self._tell_children()

    def stop(self) -> None:
        """End the thread and mark the node as stopped."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
            nodes.sign_off(self._name)

    def _loop(self) -> None:
        beat_at, registered = 0.0, False
        while True:
            try:
                self._tell_children()
                if not registered:
                    self._register()
                    registered = True
                if time.monotonic() >= beat_at:
                    self._beat()
                    beat_at = time.monotonic() + conf.LEASE_RENEW_SECONDS
                if self._grace_over is not None and time.monotonic() > self._grace_over:
                    self._hand_back()
            except Exception:
                log.exception("the leases could not be renewed; trying again")
                sql.close()
            if self._stopped.wait(min(1.0, conf.LEASE_RENEW_SECONDS)):
                return

    def _feed(self) -> None:
        """A child that is busy for long cannot see that another has nothing to do: tasks that it withheld are sent."""
        pause = FEED_SECONDS
        while not self._stopped.wait(pause):
            after, pause = Consequences(), FEED_SECONDS
            try:
                if onward.feed(after):
                    follow_up(after)
            except Exception:
                log.exception("withheld tasks could not be sent; trying again")
                pause = 1.0

    def _tell_children(self) -> None:
        events = self._dispatcher  # enabled in any case, for heartbeats; which groups, Flower may change at any time
        watched = events is not None and events.enabled and (not events.groups or "task" in events.groups)
        BOARD.tell(stopping=self._grace_over is not None, watched=watched, children=self._concurrency)

    def _beat(self) -> None:
        running = _running()
        lost = set(running) - transitions.renew(running, node=self._name, lease=conf.LEASE_SECONDS)
        taken = celery_state.all_total_count[0]
        nodes.report(self._name, len(running), took=taken != self._taken)
        self._taken = taken
        if (silent := time.monotonic() - self._alive_at) > SILENCE:
            log.warning("the worker's event loop has not shown itself for %.0f s: it may take no messages", silent)
        if lost:
            self._kill_stale(lost)
        self._lost_before = lost

    def _kill_stale(self, held: set[Held]) -> None:
        """Kill children whose attempt was cancelled, failed by others or given to another worker.

        One that was lost a moment ago may only be finishing; one that is still queued has not claimed yet.
        """
        by_place = {key[:3]: key for key in held}
        for run_id, position, map_index, attempt, state, _, _ in _states(held):
            key = by_place[(run_id, position, map_index)]
            if attempt == key[3] and state in (TaskState.QUEUED, TaskState.RUNNING):
                continue
            if attempt > key[3] or state == TaskState.CANCELLED or key in self._lost_before:
                log.warning("killing %s: the attempt is no longer this worker's (%s)", key, state)
                _kill(key)

    def _hand_back(self) -> None:
        held = _running()
        after = Consequences()
        for run_id, position, map_index, attempt, state, execution_id, version_id in _states(set(held)):
            if state != TaskState.RUNNING or (run_id, position, map_index, attempt) not in held:
                continue
            plan = plans.plan_of(version_id)
            if plan.tasks[position].at_most_once:
                continue
            which = Attempted(execution_id=execution_id, attempt=attempt)
            ready = transitions.requeue(which, expect=TaskState.RUNNING, reason=Reason.HANDED_BACK, end="handed_back")
            if ready is not None:
                after.ready(plan, run_id, [ready])
                failpoints.hit("handing_back")
                _kill((run_id, position, map_index, attempt))
        follow_up(after)


def _running() -> dict[Held, int]:
    """What the children of this worker run now, with the process that runs it.

    By the request's type: its name is the shadow name that Flower shows, such as "sales.fetch". A child that has gone
    on from its message is at something else, or between two.
    """
    found: dict[Held, int] = {}
    for request in tuple(celery_state.active_requests):
        args = request.args
        if request.type == RUN_TASK and args and len(args) == 4:
            pid, root = request.worker_pid or 0, (args[0], args[1], args[2], args[3])
            entry = BOARD.of(pid)
            now = entry.now if entry is not None and entry.root == root else root
            if now is not None:
                found[now] = pid
    return found


def _states(held: set[Held]) -> list[sql.Row]:
    if not held:
        return []
    runs, positions, indexes, _ = (list(column) for column in zip(*held, strict=True))
    return sql.run(_STATES, (runs, positions, indexes))


def _kill(key: Held) -> None:
    pid = _running().get(key)
    if pid:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            log.info("%s has ended by itself", key)


KEEPER = LeaseKeeper()
