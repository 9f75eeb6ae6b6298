"""What people do to DAGs and runs: pause, resume, cancel. Commands, API and admin actions all come here."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from workflows import failpoints
from workflows.core.errors import UnknownDag, UnknownRun
from workflows.core.states import Reason, RunState, TaskState
from workflows.engine import plans, schedules, sql, transitions
from workflows.engine.advance import Consequences, settle_parent
from workflows.engine.launch import follow_up
from workflows.engine.rows import Ready, Stopped
from workflows.executors import send
from workflows.executors.canvas import celery_id
from workflows.models import Dag, DagRun, TaskExecution


def pause_dag(dag_id: str) -> bool:
    """Refuse new runs of a DAG until it is resumed; False when it was paused already. What runs goes on."""
    return _switch(dag_id, paused_at=timezone.now())


def resume_dag(dag_id: str) -> bool:
    """Allow new runs of a DAG again; False when it was not paused."""
    return _switch(dag_id, paused_at=None)


def _switch(dag_id: str, *, paused_at: datetime | None) -> bool:
    _known(dag_id)
    with transaction.atomic():
        other = Dag.objects.live().filter(dag_id=dag_id, paused_at__isnull=paused_at is not None)
        done = bool(other.update(paused_at=paused_at))
        if done:
            schedules.switch(dag_id)
    return done


def _known(dag_id: str) -> None:
    if not Dag.objects.live().filter(dag_id=dag_id).exists():
        raise UnknownDag(dag_id=dag_id)


def pause_run(run_id: int) -> bool:
    """Let no further task of a run start; False when it was paused or over. Running tasks go on."""
    _run(run_id)
    return bool(DagRun.objects.unfinished().filter(pk=run_id, paused_at__isnull=True).update(paused_at=timezone.now()))


def resume_run(run_id: int) -> bool:
    """Let a paused run go on, and send what became ready meanwhile; False when it was not paused."""
    run = _run(run_id)
    if not DagRun.objects.filter(pk=run_id, paused_at__isnull=False).update(paused_at=None):
        return False
    plan = plans.plan_of(run.version_id).at(run.priority)
    after = Consequences()
    if run.state == RunState.PENDING:
        after.turns.add(run.dag_id)
    queued = TaskExecution.objects.filter(run_id=run_id, state=TaskState.QUEUED)
    rows = queued.values_list("position", "map_index", "attempt", "held", "queue")
    after.ready(
        plan,
        run_id,
        [Ready(position=p, map_index=m, attempt=a, held=held, queue=queue) for p, m, a, held, queue in rows],
    )
    transaction.on_commit(lambda: follow_up(after))  # a caller's transaction may still hold the run paused
    return True


def cancel_run(run_id: int, *, reason: Reason = Reason.CANCELLED_BY_USER, by: str = "") -> bool:
    """End a run now: what waits is cancelled, what runs is killed, its child runs too; False when it was over."""
    _run(run_id)
    return stop_run(run_id, RunState.CANCELLED, reason, message=f"by {by}" if by else "")


def stop_run(run_id: int, to: RunState, reason: Reason, message: str = "") -> bool:
    """End a run in the given final state with all its tasks cancelled.

    The rows move first and the processes are killed after the commit: a result that arrives in between finds its
    token gone.
    """

    # Not Django's atomic(): in the reconciler the engine's statements go over a connection of its own, where that
    # would neither hold the lock nor undo a half.
    def write() -> list[Stopped] | None:
        with sql.atomically():
            sql.lock_run(run_id)
            said: dict[str, Any] = {"to": to, "reason": reason, "message": message}
            if to is RunState.CANCELLED and transitions.move_run(run_id, expect=RunState.PENDING, **said):
                return []
            if not transitions.move_run(run_id, expect=RunState.RUNNING, **said):
                return None
            failpoints.hit("cancelling")
            return transitions.cancel_tasks(run_id, reason)

    stopped = sql.persist(write)
    if stopped is None:
        return False
    transaction.on_commit(lambda: _after_stop(run_id, to, stopped))
    return True


def _after_stop(run_id: int, to: RunState, stopped: list[Stopped]) -> None:
    failpoints.hit("cancelled")
    running = [celery_id(run_id, t.position, t.map_index, t.attempt) for t in stopped if t.old is TaskState.RUNNING]
    if running:
        send.revoke(running, kill=True)
    for child_id in DagRun.objects.unfinished().filter(parent__run_id=run_id).values_list("pk", flat=True):
        stop_run(child_id, RunState.CANCELLED, Reason.PARENT_ENDED)
    parent_id, dag_key = DagRun.objects.values_list("parent_id", "dag_id").get(pk=run_id)
    after = Consequences(places={(run_id, task.queue) for task in stopped if task.gated}, turns={dag_key})
    if parent_id is not None:
        after.add(settle_parent(parent_id, run_id, to))
    follow_up(after)


def _run(run_id: int) -> DagRun:
    run = DagRun.objects.filter(pk=run_id).first()
    if run is None:
        raise UnknownRun(run_id=run_id)
    return run
