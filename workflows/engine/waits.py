"""Tasks that wait without a worker: how a wait begins, and what ends it when its time has come."""

from __future__ import annotations

from dataclasses import dataclass

from workflows import failpoints
from workflows.core import retry
from workflows.core.decide import Settled
from workflows.core.outcome import Defer, Json, Question
from workflows.core.states import Reason, TaskState
from workflows.engine import advance, plans, sql, transitions
from workflows.engine.advance import Consequences
from workflows.engine.rows import Attempted, Claim, Moved

BATCH = 500  # waits that one sweep ends


def begin(held: Claim, outcome: Defer, output: str | None) -> Moved | None:
    """RUNNING → DEFERRED, with the question if there is one, in one transaction; None when the claim was lost."""
    which = Attempted(execution_id=held.execution_id, attempt=held.attempt, token=held.token)
    with sql.atomically():
        sql.lock_run(held.run_id)  # against a cancel: no event tells of the wait after the run's end
        moved = transitions.defer(which, until=outcome.until, output=output, message=outcome.message)
        if moved is not None and outcome.question is not None:
            _ask(held, outcome.question)
        failpoints.hit("beginning_to_wait")
    return moved


_ASK = """
INSERT INTO workflows_approval (task_execution_id, attempt, prompt, users, groups, on_timeout, on_reject)
VALUES (%s, %s, %s, %s::text[], %s::text[], %s, %s)
"""


def _ask(held: Claim, question: Question) -> None:
    """Open the question of an attempt. The caller is in the transaction that defers the task."""
    who = (list(question.users), list(question.groups))
    then = (question.on_timeout, question.on_reject)
    sql.run(_ASK, (held.execution_id, held.attempt, question.prompt, *who, *then))


_CLOSE = """
UPDATE workflows_approval SET closed_at = now() WHERE task_execution_id = %s AND attempt = %s AND closed_at IS NULL
"""

_CLOSE_IDLE = """
UPDATE workflows_approval a SET closed_at = now() FROM workflows_taskexecution t
 WHERE a.closed_at IS NULL AND t.id = a.task_execution_id
   AND (t.state <> 'deferred' OR t.attempt <> a.attempt)
RETURNING a.id
"""


def close_idle() -> int:
    """Close the questions of tasks that wait no more: their run was cancelled, or an operator settled them.

    Nobody could have answered them; this keeps the list of what is open short.
    """
    return len(sql.run(_CLOSE_IDLE))


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A deferred task whose time has come. `answered`: it has what it succeeds with; `late`: its timeout has passed."""

    execution_id: int
    run_id: int
    position: int
    map_index: int
    attempt: int
    failures: int
    version_id: int
    answered: bool
    late: bool
    on_timeout: str | None  # of its open question

    @property
    def which(self) -> Attempted:
        """The attempt that waits."""
        return Attempted(execution_id=self.execution_id, attempt=self.attempt)


# A paused run looks at nothing and lets no wait end; what was due meanwhile is due when it goes on.
_DUE = """
SELECT t.id, t.run_id, t.position, t.map_index, t.attempt, t.failures, r.version_id, t.output IS NOT NULL,
       COALESCE(t.waiting_since + make_interval(secs => t.timeout) <= now(), false), a.on_timeout
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
  LEFT JOIN workflows_approval a ON a.task_execution_id = t.id AND a.attempt = t.attempt AND a.closed_at IS NULL
 WHERE t.wake_at <= now() AND t.state = 'deferred' AND r.state = 'running' AND r.paused_at IS NULL
 ORDER BY t.wake_at LIMIT %s
"""


def due() -> list[Waiting]:
    """The waits whose time has come, the longest due first."""
    names = ("execution_id", "run_id", "position", "map_index", "attempt", "failures", "version_id")
    more = ("answered", "late", "on_timeout")
    return [Waiting(**dict(zip((*names, *more), row, strict=True))) for row in sql.run(_DUE, (BATCH,))]


def wake(waiting: Waiting, after: Consequences) -> bool:
    """End a wait whose time has come, or queue its next look; False when something else was faster."""
    if waiting.answered:
        return settle(waiting, TaskState.SUCCESS, after)
    if waiting.late:
        return _time_out(waiting, after)
    ready = transitions.requeue(waiting.which, expect=TaskState.DEFERRED, reason=Reason.AWAITED, end="deferred")
    after.ready(plans.plan_of(waiting.version_id), waiting.run_id, [ready] if ready else [])
    return ready is not None


def _time_out(waiting: Waiting, after: Consequences) -> bool:
    task = plans.plan_of(waiting.version_id).tasks[waiting.position]
    then = waiting.on_timeout or task.parameters.get("on_timeout")
    message = f"waited for its timeout of {task.timeout or 0:g} s"
    if then == "approve":
        return settle(waiting, TaskState.SUCCESS, after, output={"approved": True, "by": None, "comment": message})
    if then == "skip":
        return settle(waiting, TaskState.SKIPPED, after, reason=Reason.TIMED_OUT, message=message)
    tries_left = not task.at_most_once and retry.may_retry(task.retry, waiting.failures + 1)
    to = TaskState.RETRYING if tries_left else TaskState.FAILED
    return settle(waiting, to, after, reason=Reason.TIMED_OUT, message=message)


def settle(
    waiting: Waiting,
    to: TaskState,
    after: Consequences,
    *,
    reason: Reason = Reason.NONE,
    message: str = "",
    output: Json = None,
) -> bool:
    """DEFERRED → a final state with its cascade, or → RETRYING; closes its question. False when it waits no more."""
    plan = plans.plan_of(waiting.version_id)
    delay = None
    if to is TaskState.RETRYING:
        delay = retry.delay_before(plan.tasks[waiting.position].retry, waiting.failures + 1, chance=1.0)
    with sql.atomically():
        sql.lock_run(waiting.run_id)
        moved = transitions.move_task(
            waiting.which,
            expect=TaskState.DEFERRED,
            to=to,
            reason=reason,
            message=message,
            output=None if output is None else transitions.json_text(output),
            delay=delay,
            counts="failure" if to in (TaskState.FAILED, TaskState.RETRYING) else "",
        )
        if moved is None:
            return False
        sql.run(_CLOSE, (waiting.execution_id, waiting.attempt))
        failpoints.hit("ending_a_wait")
        if to.is_final:
            place = (waiting.run_id, waiting.position, waiting.map_index)
            after.add(advance.settle(plan, *place, Settled(state=to)))
    return True
