"""Celery's signals: fast, repeatable, and never the only way. What a handler misses, the reconciler makes good.

In a pool child they send what became ready. In the worker's main process they see what a child cannot say: that it
died, or was killed at its hard limit. There, the database is never touched in the event loop's thread.
"""

from __future__ import annotations

import gc
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from billiard.exceptions import TimeLimitExceeded, WorkerLostError
from celery import signals

from workflows import failpoints
from workflows.core.decide import Settled
from workflows.core.states import Reason, TaskState
from workflows.engine import marks, plans, reconcile, sql, transitions
from workflows.engine.advance import Consequences, settle
from workflows.engine.launch import follow_up
from workflows.engine.rows import Attempted
from workflows.executors.canvas import RUN_TASK
from workflows.worker import leases, limits, logs, onward, outbox
from workflows.worker.board import BOARD, Key

log = logging.getLogger(__name__)
# Seconds that a child holds on to a claim or a result while the database is away: there is nothing else that it could
# do, and nobody else can take the task meanwhile.
PATIENCE = 300.0
_aside = ThreadPoolExecutor(max_workers=1, thread_name_prefix="celeriac-signals")

_FIND = """
SELECT t.id, t.losses, t.failures, t.state, r.version_id
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.run_id = %s AND t.position = %s AND t.map_index = %s AND t.attempt = %s
"""


@signals.before_task_publish.connect(weak=False)
def stamp(sender: str | None = None, headers: dict[str, Any] | None = None, **_: Any) -> None:
    """Stamp a message with the time it was sent, for the latency that Flower and the metrics show."""
    if sender == RUN_TASK and headers is not None:
        headers["celeriac_sent_at"] = time.time()


@signals.worker_init.connect(weak=False)
def start_main(**_: Any) -> None:
    """Give the worker's main process a connection of its own for leases and signals, and the board to its children."""
    sql.use_own_connection()
    BOARD.open()


@signals.worker_process_init.connect(weak=False)
def start_child(**_: Any) -> None:
    """Give a pool child its own connection (never its parent's) and the capture of logs."""
    sql.use_own_connection(patience=PATIENCE)
    BOARD.join()
    logs.install()
    gc.freeze()  # what was imported before the fork stays: a collection need not walk all of Django between two tasks


@signals.task_prerun.connect(weak=False)
def begin_attempt(sender: Any = None, **_: Any) -> None:
    """Before a claim: nothing that an earlier attempt of this process left may wait behind a new one."""
    BOARD.work()
    publish_ready(sender)


@signals.task_success.connect(weak=False)
@signals.task_retry.connect(weak=False)
def publish_ready(sender: Any = None, **_: Any) -> None:
    """Send what the finished attempt made ready."""
    if getattr(sender, "name", None) == RUN_TASK:
        outbox.flush()


@signals.task_postrun.connect(weak=False)
def end_attempt(sender: Any = None, **_: Any) -> None:
    """The last signal of every attempt, however it ended."""
    publish_ready(sender)
    limits.let_through()
    onward.refresh_connections()
    BOARD.rest()


@signals.task_failure.connect(weak=False)
def publish_or_rescue(sender: Any = None, exception: BaseException | None = None, args: Any = None, **_: Any) -> None:
    """In a child: send what the failure made ready. In the main process: a child died, or was killed at its hard limit.

    For a hard limit this fires twice; the guard of the first move makes the second one empty.
    """
    if getattr(sender, "name", None) != RUN_TASK:
        return
    if isinstance(exception, (WorkerLostError, TimeLimitExceeded)) and args and len(args) == 4:
        _aside.submit(_quietly, _rescue, tuple(args), isinstance(exception, TimeLimitExceeded), str(exception))
        _aside.submit(_quietly, _rescue_follower, tuple(args), str(exception))
    else:
        outbox.flush()


@signals.task_revoked.connect(weak=False)
def cancel_revoked(sender: Any = None, request: Any = None, **_: Any) -> None:
    """Cancel what somebody revoked through Celery or Flower: it would be sent again for ever."""
    args = getattr(request, "args", None)
    if getattr(sender, "name", None) == RUN_TASK and args and len(args) == 4:
        _aside.submit(_quietly, _cancel, tuple(args))
        _aside.submit(_quietly, _rescue_follower, tuple(args), "killed with the message that led to it")


@signals.task_unknown.connect(weak=False)
def warn_unknown(name: str | None = None, **_: Any) -> None:
    """A worker that does not know a task has dropped its message: count it, and say how to mend that worker."""
    if name == RUN_TASK:
        log.error("this worker does not know %s: is `workflows` in its INSTALLED_APPS? The task is sent again", name)
    else:
        log.error("a message for the unknown task %r was thrown away: does another application share our broker?", name)
    _aside.submit(_quietly, marks.dropped, "unknown_task")


@signals.task_rejected.connect(weak=False)
def count_rejected(exc: BaseException | None = None, **_: Any) -> None:
    """Something that is no task message came in, and Celery dropped it."""
    log.error("a message that is no task was thrown away: %s", exc or "unknown format")
    _aside.submit(_quietly, marks.dropped, "malformed")


def _quietly(work: Any, *args: Any) -> None:
    try:
        work(*args)
    except Exception:
        log.exception("a signal could not be handled; the reconciler will")


def _rescue(args: tuple[int, int, int, int], timed_out: bool, message: str) -> None:
    rows = sql.persist(lambda: sql.run(_FIND, args))
    if not rows or rows[0][3] != TaskState.RUNNING:
        return
    execution_id, losses, failures, _, version_id = rows[0]
    which = Attempted(execution_id=execution_id, attempt=args[3])
    place = reconcile.Place(run_id=args[0], position=args[1], map_index=args[2], version_id=version_id)
    after = Consequences()
    if timed_out:
        reconcile.time_out(which, place, failures, after)
    else:
        reconcile.lose(which, place, losses, after, Reason.KILLED, message or "the child died")
    failpoints.hit("rescued")
    follow_up(after)


def _rescue_follower(args: Key, message: str) -> None:
    """The child had gone on from this message: what it was at is lost. Its line stays until it is read."""
    follower = BOARD.after(args)
    if follower is not None:
        _rescue(follower, timed_out=False, message=message)


def _cancel(args: tuple[int, int, int, int]) -> None:
    rows = sql.persist(lambda: sql.run(_FIND, args))
    if not rows or rows[0][3] not in (TaskState.RUNNING, TaskState.QUEUED):
        return
    which = Attempted(execution_id=rows[0][0], attempt=args[3])
    plan = plans.plan_of(rows[0][4])
    with sql.atomically():
        sql.lock_run(args[0])
        moved = transitions.move_task(
            which,
            expect=TaskState(rows[0][3]),
            to=TaskState.CANCELLED,
            reason=Reason.CANCELLED_BY_USER,
            message="revoked through Celery",
        )
        after = Consequences()
        if moved:
            after.add(settle(plan, args[0], args[1], args[2], Settled(state=TaskState.CANCELLED)))
        after.freed(moved)
    follow_up(after)


@signals.worker_ready.connect(weak=False)
def start_leases(sender: Any = None, **_: Any) -> None:
    """Register the node and start renewing leases."""
    leases.KEEPER.start(sender)


@signals.heartbeat_sent.connect(weak=False)
def note_heartbeat(**_: Any) -> None:
    """The worker's event loop is alive."""
    leases.KEEPER.loop_is_alive()


@signals.worker_shutting_down.connect(weak=False)
def hand_back(**_: Any) -> None:
    """Give running tasks a grace, then hand them back to be run elsewhere."""
    leases.KEEPER.stop_soon()


@signals.worker_shutdown.connect(weak=False)
def sign_off(**_: Any) -> None:
    """Mark the node as stopped."""
    leases.KEEPER.stop()
    _aside.shutdown(wait=True)
