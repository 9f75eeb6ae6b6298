"""Make good what a crash, a lost message or a late clock left undone. Any number may run, on any machine, at any time.

Each repair is the same guarded move that the healthy path makes, so that a repair which was not needed changes nothing.
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from workflows import failpoints
from workflows.conf import conf
from workflows.core import retry
from workflows.core.decide import Settled
from workflows.core.states import Reason, RunState, TaskState
from workflows.engine import (
    admit,
    backfill,
    callbacks,
    control,
    plans,
    redeliver,
    sql,
    standstill,
    succession,
    ticking,
    transitions,
    waits,
)
from workflows.engine.advance import Consequences, decide_waiting, settle, settle_parent
from workflows.engine.launch import follow_up
from workflows.engine.rows import Attempted

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sweep:
    """What one sweep repaired, by kind."""

    lost: int = 0
    due: int = 0
    waits: int = 0
    overdue: int = 0
    undecided: int = 0
    joined: int = 0
    resent: int = 0
    expired_runs: int = 0
    orphans: int = 0
    ended_runs: int = 0
    parents: int = 0
    backfills: int = 0
    stalled: int = 0
    scheduled: int = 0
    after: int = 0
    questions: int = 0
    late: int = 0
    callbacks: int = 0

    @property
    def total(self) -> int:
        """How much was repaired in all."""
        return sum(asdict(self).values())


# Evidence for `manage.py doctor` that somebody sweeps. One write in five seconds is enough.
_SWEPT = """
INSERT INTO workflows_brokermark (name, value) VALUES ('sweep', %s)
ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, at = now()
  WHERE workflows_brokermark.at < now() - make_interval(secs => 5)
"""


def sweep(*, gap: float = 0.0) -> Sweep:
    """Look once for everything that is overdue, and mend it.

    `gap` is for how many seconds a process that sweeps all the time could not: after such an outage every lease is
    over, and the workers that live get the time to renew theirs before any is judged.
    A row or a repair that fails is logged and left; the others are not held up. Raises what says that the database is
    away.
    """
    done = Sweep()
    after = Consequences()
    if _leases_count(gap):
        done.lost = _guarded(lambda: _expired_leases(after))
    done.overdue = _guarded(lambda: _overdue_attempts(after))
    done.due = _guarded(lambda: _due_retries(after))
    done.waits = _guarded(lambda: _due_waits(after))
    done.undecided = _guarded(lambda: _undecided(after))
    done.joined = _guarded(lambda: _joined(after))
    _guarded(lambda: _held(after))
    _guarded(lambda: _waiting_runs(after))
    _follow_up(after)
    done.resent = _guarded(redeliver.send_again)
    done.expired_runs = _guarded(_run_deadlines)
    done.orphans = _guarded(_orphans)
    done.parents = _guarded(_parents)
    done.ended_runs = _guarded(_ended_runs)
    done.backfills = _guarded(backfill.advance)
    done.stalled = _guarded(standstill.flag)
    done.scheduled = _guarded(ticking.tick_due)
    done.after = _guarded(succession.follow_successes)
    done.questions = _guarded(waits.close_idle)
    done.late = _guarded(callbacks.tell_late)
    done.callbacks = _guarded(callbacks.collect)
    sql.run(_SWEPT, (f"{socket.gethostname()}:{os.getpid()}",))
    if done.total:
        log.info("sweep: %s", ", ".join(f"{k} {v}" for k, v in asdict(done).items() if v))
    return done


_judge_from = 0.0


def _leases_count(gap: float) -> bool:
    """Whether leases may be judged now, or workers must first have had the time to renew them."""
    global _judge_from
    if gap > conf.LEASE_SECONDS / 2:
        _judge_from = time.monotonic() + 2 * conf.LEASE_RENEW_SECONDS
        log.warning("no sweep for %.0f s: leases are not judged for %g s", gap, 2 * conf.LEASE_RENEW_SECONDS)
    return time.monotonic() >= _judge_from


def _guarded(repair: Callable[[], int]) -> int:
    try:
        failpoints.hit("sweeping")
        return repair()
    except Exception as error:
        if sql.is_lost(error):
            raise
        log.exception("a repair failed; the others go on")
        return 0


def _each(rows: Iterable[sql.Row], mend: Callable[..., bool]) -> int:
    """Mend row by row: one that cannot be mended does not hold up the rest."""
    return sum(_guarded(lambda row=row: int(mend(*row))) for row in rows)  # type: ignore[misc]


def _follow_up(after: Consequences) -> None:
    """Send what was made ready, whatever becomes of what follows from it."""
    if after.dispatches:
        failpoints.hit("requeued")

    def follow() -> int:
        follow_up(after)
        return 0

    _guarded(follow)


_EXPIRED = """
SELECT t.id, t.run_id, t.position, t.map_index, t.attempt, t.losses, t.node, r.version_id
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.state = 'running' AND t.lease_until < now()
   AND pg_postmaster_start_time() < now() - make_interval(secs => %s)
 ORDER BY t.id LIMIT 500
"""


def _expired_leases(after: Consequences) -> int:
    """Running attempts whose worker is gone. After an outage of the database every lease is over: the workers that live
    get the time to renew theirs first."""

    def mend(
        execution_id: int,
        run_id: int,
        position: int,
        map_index: int,
        attempt: int,
        losses: int,
        node: str,
        version_id: int,
    ) -> bool:
        which = Attempted(execution_id=execution_id, attempt=attempt, expired=True)
        place = Place(run_id=run_id, position=position, map_index=map_index, version_id=version_id)
        return lose(which, place, losses, after, Reason.LOST, f"node {node} stopped renewing the lease")

    return _each(sql.run(_EXPIRED, (2 * conf.LEASE_RENEW_SECONDS,)), mend)


def lose(which: Attempted, place: Place, losses: int, after: Consequences, reason: Reason, message: str) -> bool:
    """After the worker was lost: RUNNING → QUEUED for another try, or → FAILED when the task may not run again."""
    plan = plans.plan_of(place.version_id)
    task = plan.tasks[place.position]
    poisoned = losses + 1 >= conf.MAX_LOST_ATTEMPTS
    if not task.at_most_once and not poisoned:
        ready = transitions.requeue(which, expect=TaskState.RUNNING, reason=reason, end="lost", lost=True)
        after.ready(plan, place.run_id, [ready] if ready else [])
        return ready is not None
    if poisoned:
        message = f"{message}; {losses + 1} attempts took their worker down or were lost with it (MAX_LOST_ATTEMPTS)"
    with sql.atomically():
        sql.lock_run(place.run_id)
        moved = transitions.move_task(
            which,
            expect=TaskState.RUNNING,
            to=TaskState.FAILED,
            reason=Reason.POISONED if poisoned else reason,
            message=message,
            end="lost",
            counts="loss",
        )
        if moved:
            after.add(settle(plan, place.run_id, place.position, place.map_index, Settled(state=TaskState.FAILED)))
    after.freed(moved)
    return moved is not None


_OVERDUE = """
SELECT t.id, t.run_id, t.position, t.map_index, t.attempt, t.failures, r.version_id
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.state = 'running' AND t.timeout IS NOT NULL
   AND t.started_at + make_interval(secs => t.timeout + %s) < now()
 ORDER BY t.id LIMIT 500
"""


def _overdue_attempts(after: Consequences) -> int:
    """Attempts past their hard limit whose worker did not end them: pools without time limits, a stuck main process."""

    def mend(
        execution_id: int, run_id: int, position: int, map_index: int, attempt: int, failures: int, version_id: int
    ) -> bool:
        which = Attempted(execution_id=execution_id, attempt=attempt)
        place = Place(run_id=run_id, position=position, map_index=map_index, version_id=version_id)
        return time_out(which, place, failures, after)

    return _each(sql.run(_OVERDUE, (2 * conf.HARD_TIMEOUT_GRACE,)), mend)


def time_out(which: Attempted, place: Place, failures: int, after: Consequences) -> bool:
    """RUNNING → RETRYING or FAILED for an attempt that ran past its hard limit."""
    plan = plans.plan_of(place.version_id)
    task = plan.tasks[place.position]
    tries_left = not task.at_most_once and retry.may_retry(task.retry, failures + 1)
    to = TaskState.RETRYING if tries_left else TaskState.FAILED
    with sql.atomically():
        sql.lock_run(place.run_id)
        moved = transitions.move_task(
            which,
            expect=TaskState.RUNNING,
            to=to,
            reason=Reason.TIMED_OUT,
            message=f"still running {conf.HARD_TIMEOUT_GRACE:g} s after its timeout of {task.timeout or 0:g} s; killed",
            delay=retry.delay_before(task.retry, failures + 1, chance=1.0) if tries_left else None,
            counts="failure",
        )
        if moved and to.is_final:
            after.add(settle(plan, place.run_id, place.position, place.map_index, Settled(state=to)))
    after.freed(moved)
    return moved is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a task execution is: its run, its position in the plan of its version, its item."""

    run_id: int
    position: int
    map_index: int
    version_id: int


_DUE = """
SELECT t.id, t.run_id, t.attempt, r.version_id
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.state = 'retrying' AND t.next_attempt_at <= now() AND r.state = 'running' AND r.paused_at IS NULL
 ORDER BY t.next_attempt_at LIMIT 500
"""


def _due_retries(after: Consequences) -> int:
    def mend(execution_id: int, run_id: int, attempt: int, version_id: int) -> bool:
        plan = plans.plan_of(version_id)
        which = Attempted(execution_id=execution_id, attempt=attempt)
        ready = transitions.requeue(which, expect=TaskState.RETRYING, reason=Reason.NONE, end="retrying")
        after.ready(plan, run_id, [ready] if ready else [])
        return ready is not None

    return _each(sql.run(_DUE), mend)


def _due_waits(after: Consequences) -> int:
    return sum(_guarded(lambda wait=wait: int(waits.wake(wait, after))) for wait in waits.due())  # type: ignore[misc]


def _undecided(after: Consequences) -> int:
    """Tasks whose upstreams have all settled: their worker died before it gave them their verdict."""
    rows = sql.run(
        "SELECT DISTINCT t.run_id, r.version_id "
        "FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id "
        "WHERE t.undecided AND t.map_index = -1 AND r.state = 'running' LIMIT 500"
    )

    def mend(run_id: int, version_id: int) -> bool:
        after.add(decide_waiting(plans.plan_of(version_id), run_id))
        return True

    return _each(rows, mend)


def _run_deadlines() -> int:
    rows = sql.run(
        "SELECT id FROM workflows_dagrun WHERE state = 'running' AND deadline_at < now() ORDER BY id LIMIT 100"
    )
    why = "the run's timeout has passed"
    return _each(rows, lambda run_id: control.stop_run(run_id, RunState.FAILED, Reason.RUN_TIMED_OUT, why))


def _orphans() -> int:
    """Child runs of tasks that have ended: whoever stopped the parent died before it stopped them."""
    rows = sql.run(
        "SELECT c.id FROM workflows_dagrun c JOIN workflows_taskexecution t ON t.id = c.parent_id "
        "WHERE c.ended_at IS NULL AND t.ended_at IS NOT NULL LIMIT 100"
    )
    return _each(rows, lambda run_id: control.stop_run(run_id, RunState.CANCELLED, Reason.PARENT_ENDED))


def _parents() -> int:
    """Tasks that wait for a child run which has ended: its worker died between the two commits."""
    rows = sql.run(
        "SELECT t.id, c.id, c.state FROM workflows_taskexecution t "
        "JOIN LATERAL (SELECT id, state, ended_at FROM workflows_dagrun WHERE parent_id = t.id "
        "ORDER BY id DESC LIMIT 1) c "
        "ON true WHERE t.state = 'deferred' AND c.ended_at IS NOT NULL LIMIT 500"
    )
    after = Consequences()

    def mend(task_id: int, child_id: int, state: str) -> bool:
        after.add(settle_parent(task_id, child_id, RunState(state)))
        return True

    count = _each(rows, mend)
    _follow_up(after)
    return count


def _joined(after: Consequences) -> int:
    """Mapped tasks whose items have all settled: the last item's worker died before it looked."""
    rows = sql.run(
        "SELECT g.run_id, g.position FROM workflows_taskexecution g WHERE g.state = 'deferred' AND g.map_index = -1 "
        "AND EXISTS (SELECT 1 FROM workflows_taskexecution i "
        "WHERE i.run_id = g.run_id AND i.position = g.position AND i.map_index >= 0) "
        "AND NOT EXISTS (SELECT 1 FROM workflows_taskexecution i "
        "WHERE i.run_id = g.run_id AND i.position = g.position AND i.map_index >= 0 AND i.ended_at IS NULL) LIMIT 500"
    )
    after.maybe_joined.update((run_id, position) for run_id, position in rows)
    return len(rows)


def _held(after: Consequences) -> int:
    """Tasks that wait for room within a limit: who gave it back died before it gave it away. Counts none, as waiting
    is no fault."""
    after.places.update(admit.waiting())
    return 0


def _waiting_runs(after: Consequences) -> int:
    """Runs that wait for their turn, likewise."""
    rows = sql.run(
        "SELECT DISTINCT dag_id FROM workflows_dagrun WHERE state = 'pending' AND paused_at IS NULL LIMIT 500"
    )
    after.turns.update(dag_key for (dag_key,) in rows)
    return 0


def _ended_runs() -> int:
    """Runs whose tasks have all settled: the last worker died before it looked."""
    rows = sql.run(
        "SELECT r.id FROM workflows_dagrun r WHERE r.state = 'running' AND NOT EXISTS "
        "(SELECT 1 FROM workflows_taskexecution t WHERE t.run_id = r.id AND t.ended_at IS NULL) LIMIT 500"
    )

    def mend(run_id: int) -> bool:
        _follow_up(Consequences(maybe_over={run_id}))
        return True

    return _each(rows, mend)
