"""Make good what a crash, a lost message or a late clock left undone. Any number may run, on any machine, at any time.

Each repair is the same guarded move that the healthy path makes, so that a repair which was not needed changes nothing.
"""

from __future__ import annotations

import logging
import os
import socket
from dataclasses import asdict, dataclass

from workflows.conf import conf
from workflows.core import retry
from workflows.core.decide import Settled
from workflows.core.states import Reason, RunState, TaskState
from workflows.engine import control, plans, redeliver, sql, transitions
from workflows.engine.advance import Consequences, cascade, conclude, decide_waiting, settle_parent
from workflows.engine.transitions import Attempted
from workflows.executors import send

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Sweep:
    """What one sweep repaired, by kind."""

    lost: int = 0
    due: int = 0
    overdue: int = 0
    undecided: int = 0
    resent: int = 0
    expired_runs: int = 0
    ended_runs: int = 0
    parents: int = 0

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


def sweep() -> Sweep:
    """Look once for everything that is overdue, and mend it."""
    done = Sweep()
    after = Consequences()
    done.lost = _expired_leases(after)
    done.overdue = _overdue_attempts(after)
    done.due = _due_retries(after)
    done.undecided = _undecided(after)
    conclude(after)
    send.send(after.dispatches)
    done.resent = redeliver.send_again()
    done.expired_runs = _run_deadlines()
    done.parents = _parents()
    done.ended_runs = _ended_runs()
    sql.run(_SWEPT, (f"{socket.gethostname()}:{os.getpid()}",))
    if done.total:
        log.info("sweep: %s", ", ".join(f"{k} {v}" for k, v in asdict(done).items() if v))
    return done


_EXPIRED = """
SELECT t.id, t.run_id, t.position, t.attempt, t.losses, t.node, r.version_id
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.state = 'running' AND t.lease_until < now()
   AND pg_postmaster_start_time() < now() - make_interval(secs => %s)
 ORDER BY t.id LIMIT 500
"""


def _expired_leases(after: Consequences) -> int:
    """Running attempts whose worker is gone. After an outage of the database every lease is over: the workers that live
    get the time to renew theirs first."""
    rows = sql.run(_EXPIRED, (2 * conf.LEASE_RENEW_SECONDS,))
    for execution_id, run_id, position, attempt, losses, node, version_id in rows:
        which = Attempted(execution_id=execution_id, attempt=attempt)
        lose(which, run_id, position, losses, version_id, after, Reason.LOST, f"node {node} stopped renewing the lease")
    return len(rows)


def lose(
    which: Attempted,
    run_id: int,
    position: int,
    losses: int,
    version_id: int,
    after: Consequences,
    reason: Reason,
    message: str,
) -> bool:
    """After the worker was lost: RUNNING → QUEUED for another try, or → FAILED when the task may not run again."""
    plan = plans.plan_of(version_id)
    task = plan.tasks[position]
    poisoned = losses + 1 >= conf.MAX_LOST_ATTEMPTS
    if not task.at_most_once and not poisoned:
        ready = transitions.requeue(which, expect=TaskState.RUNNING, reason=reason, end="lost", lost=True)
        after.ready(plan, run_id, [ready] if ready else [])
        return ready is not None
    if poisoned:
        message = f"{message}; {losses + 1} attempts took their worker down or were lost with it (MAX_LOST_ATTEMPTS)"
    with sql.atomically():
        sql.lock_run(run_id)
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
            after.add(cascade(plan, run_id, {position: Settled(state=TaskState.FAILED)}))
    return moved


_OVERDUE = """
SELECT t.id, t.run_id, t.position, t.attempt, t.failures, r.version_id
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.state = 'running' AND t.timeout IS NOT NULL
   AND t.started_at + make_interval(secs => t.timeout + %s) < now()
 ORDER BY t.id LIMIT 500
"""


def _overdue_attempts(after: Consequences) -> int:
    """Attempts past their hard limit whose worker did not end them: pools without time limits, a stuck main process."""
    rows = sql.run(_OVERDUE, (2 * conf.HARD_TIMEOUT_GRACE,))
    for execution_id, run_id, position, attempt, failures, version_id in rows:
        which = Attempted(execution_id=execution_id, attempt=attempt)
        time_out(which, run_id, position, failures, version_id, after)
    return len(rows)


def time_out(which: Attempted, run_id: int, position: int, failures: int, version_id: int, after: Consequences) -> bool:
    """RUNNING → RETRYING or FAILED for an attempt that ran past its hard limit."""
    plan = plans.plan_of(version_id)
    task = plan.tasks[position]
    tries_left = not task.at_most_once and retry.may_retry(task.retry, failures + 1)
    to = TaskState.RETRYING if tries_left else TaskState.FAILED
    with sql.atomically():
        sql.lock_run(run_id)
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
            after.add(cascade(plan, run_id, {position: Settled(state=to)}))
    return moved


_DUE = """
SELECT t.id, t.run_id, t.attempt, r.version_id
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.state = 'retrying' AND t.next_attempt_at <= now() AND r.state = 'running' AND r.paused_at IS NULL
 ORDER BY t.next_attempt_at LIMIT 500
"""


def _due_retries(after: Consequences) -> int:
    count = 0
    for execution_id, run_id, attempt, version_id in sql.run(_DUE):
        which = Attempted(execution_id=execution_id, attempt=attempt)
        ready = transitions.requeue(which, expect=TaskState.RETRYING, reason=Reason.NONE, end="retrying")
        if ready is not None:
            after.ready(plans.plan_of(version_id), run_id, [ready])
            count += 1
    return count


def _undecided(after: Consequences) -> int:
    """Tasks whose upstreams have all settled: their worker died before it gave them their verdict."""
    rows = sql.run(
        "SELECT DISTINCT t.run_id, r.version_id "
        "FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id "
        "WHERE t.state = 'pending' AND t.waiting_on = 0 AND r.state = 'running' LIMIT 500"
    )
    for run_id, version_id in rows:
        after.add(decide_waiting(plans.plan_of(version_id), run_id))
    return len(rows)


def _run_deadlines() -> int:
    rows = sql.run(
        "SELECT id FROM workflows_dagrun WHERE ended_at IS NULL AND deadline_at < now() ORDER BY id LIMIT 100"
    )
    return sum(
        control.stop_run(run_id, RunState.FAILED, Reason.RUN_TIMED_OUT, "the run's timeout has passed")
        for (run_id,) in rows
    )


def _parents() -> int:
    """Tasks that wait for a child run which has ended: its worker died between the two commits."""
    rows = sql.run(
        "SELECT t.id, c.id, c.state FROM workflows_taskexecution t "
        "JOIN LATERAL (SELECT id, state, ended_at FROM workflows_dagrun WHERE parent_id = t.id "
        "ORDER BY id DESC LIMIT 1) c "
        "ON true WHERE t.state = 'deferred' AND c.ended_at IS NOT NULL LIMIT 500"
    )
    after = Consequences()
    for task_id, child_id, state in rows:
        after.add(settle_parent(task_id, child_id, RunState(state)))
    conclude(after)
    send.send(after.dispatches)
    return len(rows)


def _ended_runs() -> int:
    """Runs whose tasks have all settled: the last worker died before it looked."""
    rows = sql.run(
        "SELECT r.id FROM workflows_dagrun r WHERE r.state = 'running' AND NOT EXISTS "
        "(SELECT 1 FROM workflows_taskexecution t WHERE t.run_id = r.id AND t.ended_at IS NULL) LIMIT 500"
    )
    after = Consequences(maybe_over={run_id for (run_id,) in rows})
    conclude(after)
    send.send(after.dispatches)
    return len(rows)
