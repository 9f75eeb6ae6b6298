"""From an attempt's outcome to its transition, and to what follows. The only way out of RUNNING for a worker."""

from __future__ import annotations

import re
from dataclasses import dataclass

from workflows import failpoints
from workflows.conf import conf
from workflows.core import retry
from workflows.core.decide import Settled
from workflows.core.errors import LostClaim
from workflows.core.outcome import Defer, Done, Expand, Fail, Json, Outcome, Retry, Skip, Spawn
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import Reason, TaskState
from workflows.engine import advance, launch, sql, transitions, waits
from workflows.engine.advance import Consequences
from workflows.engine.rows import Attempted, Claim, Onward, Ready, Succeeded


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How an attempt ended: the state that was written, and what is to be done after the commit.

    `following` is what the worker holds by the same commit; `withheld` says that tasks wait for workers that go on.
    """

    state: TaskState
    after: Consequences
    message: str = ""
    delay: float | None = None
    following: Claim | None = None
    withheld: bool = False


def finish(
    held: Claim,
    plan: Plan,
    outcome: Outcome,
    *,
    chance: float,
    onward: Onward | None = None,
) -> Finished:
    """Write the outcome of a held attempt, guarded by its token, with everything that follows in the same commit.

    Raises LostClaim when another worker holds the task: the result is discarded. `chance` in [0, 1) spreads retries.
    With `onward`, a plain success claims in the same commit what this worker goes on with.
    """
    task = plan.tasks[held.position]
    match outcome:
        case Done():
            return _succeeded(held, plan, task, outcome, onward)
        case Skip():
            return _settled(held, plan, TaskState.SKIPPED, reason=outcome.reason)
        case Spawn():
            return _spawned(held, plan, outcome)
        case Expand():
            return _expanded(held, plan, outcome)
        case Defer():
            return _deferred(held, plan, task, outcome)
        case Fail() | Retry():
            return _failed(held, plan, task, outcome, chance)


def _succeeded(held: Claim, plan: Plan, task: PlannedTask, outcome: Done, onward: Onward | None) -> Finished:
    output = _storable(outcome.output)
    if isinstance(output, Fail):
        return _failed(held, plan, task, output, 0.0)
    if held.map_index >= 0 or (outcome.branch is None and all(plan.tasks[p].plain for p in task.downstream)):
        return _plainly(held, plan, task, output, onward)
    return _settled(held, plan, TaskState.SUCCESS, output=output, branch=outcome.branch)


# An escaped NUL, and not the six characters of its escape behind a backslash that is itself escaped.
_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")


def _storable(output: Json) -> str | Fail | None:
    """An output as JSON text, None for none, or why it cannot be kept."""
    try:
        text = None if output is None else transitions.json_text(output)
    except (TypeError, ValueError) as error:
        return Fail(message=f"the output is not JSON: {error}", permanent=True)
    return text if text is None else _unstorable(text) or text


def _unstorable(output: str) -> Fail | None:
    """Why JSON text cannot be kept as an output; None when it can."""
    if _NUL.search(output):
        return Fail(message="the output holds a NUL character, which PostgreSQL cannot store", permanent=True)
    try:
        size = len(output.encode())
    except UnicodeEncodeError:
        return Fail(message="the output holds half of a surrogate pair, which is not text", permanent=True)
    if size <= conf.OUTPUT_MAX_BYTES:
        return None
    return Fail(
        message=f"the output has {size} bytes, more than OUTPUT_MAX_BYTES ({conf.OUTPUT_MAX_BYTES}): store it and "
        "return where it is",
        reason=Reason.OUTPUT_TOO_LARGE,
        permanent=True,
    )


def _plainly(held: Claim, plan: Plan, task: PlannedTask, output: str | None, onward: Onward | None) -> Finished:
    """The hot path: one commit."""
    below = () if held.map_index >= 0 else task.downstream
    window = onward.window if onward else None
    fan_out = plan.fan_out(held.position) if below and window is not None else ()
    withhold = fan_out if len(fan_out) > (window or 0) else ()
    tried_before = False

    def write() -> Succeeded | None:
        nonlocal tried_before
        again, tried_before = tried_before, True
        result = transitions.succeed(held, output=output, below=below, withhold=withhold, onward=onward)
        if result is None and again and _is_done(held):
            # The first try was committed and its answer lost: what became ready then is left to the reconciler.
            following = transitions.claimed_with(held.run_id, onward.token) if onward else None
            return Succeeded(undecided=True, maybe_over=True, following=following)
        return result

    result = sql.persist(write)
    if result is None:
        raise LostClaim(task_execution_id=held.execution_id)
    after = Consequences(places={(held.run_id, queue) for queue in result.queues})
    if held.map_index >= 0:
        after.maybe_joined.add((held.run_id, held.position))
    elif result.maybe_over:
        after.maybe_over.add(held.run_id)
    sent = _to_send(result, window)
    after.ready(plan, held.run_id, sent)
    if result.undecided:
        failpoints.hit("undecided")
        after.add(sql.persist(lambda: advance.decide_waiting(plan, held.run_id)))
    withheld = len(sent) < len(result.ready)
    return Finished(state=TaskState.SUCCESS, after=after, following=result.following, withheld=withheld)


def _to_send(result: Succeeded, window: int | None) -> list[Ready]:
    """All that is not withheld, and the first of what is: those whom they reach go on with the rest."""
    withheld = sorted((row for row in result.ready if row.withheld), key=lambda row: row.position)
    sent = (window or 0) + (result.following is None)
    return [row for row in result.ready if not row.withheld] + withheld[:sent]


def _is_done(held: Claim) -> bool:
    rows = sql.run(
        "SELECT 1 FROM workflows_taskexecution WHERE id = %s AND attempt = %s AND state = 'success'",
        (held.execution_id, held.attempt),
    )
    return bool(rows)


def _settled(
    held: Claim,
    plan: Plan,
    to: TaskState,
    *,
    reason: Reason = Reason.NONE,
    message: str = "",
    output: str | None = None,
    branch: str | None = None,
) -> Finished:
    """The general path: settle and cascade in one transaction that holds the run's lock."""

    def write() -> Consequences | None:
        with sql.atomically():
            sql.lock_run(held.run_id)
            moved = transitions.move_task(
                Attempted(execution_id=held.execution_id, attempt=held.attempt, token=held.token),
                expect=TaskState.RUNNING,
                to=to,
                reason=reason,
                message=message,
                output=output,
                counts="failure" if to is TaskState.FAILED else "",
            )
            if not moved:
                return None
            settled = Settled(state=to, branch=branch)
            after = advance.settle(plan, held.run_id, held.position, held.map_index, settled)
            after.freed(moved)
            failpoints.hit("settling")
            return after

    after = sql.persist(write)
    if after is None:
        raise LostClaim(task_execution_id=held.execution_id)
    return Finished(state=to, after=after, message=message)


def _failed(held: Claim, plan: Plan, task: PlannedTask, outcome: Fail | Retry, chance: float) -> Finished:
    reason = outcome.reason if isinstance(outcome, Fail) else Reason.ERROR
    permanent = (isinstance(outcome, Fail) and outcome.permanent) or task.at_most_once
    failures = held.failures + 1
    if permanent or not retry.may_retry(task.retry, failures):
        return _settled(held, plan, TaskState.FAILED, reason=reason, message=outcome.message, output=_partial(outcome))
    asked = outcome.after if isinstance(outcome, Retry) else None
    delay = retry.delay_before(task.retry, failures, chance) if asked is None else max(asked, 0.0)
    which = Attempted(execution_id=held.execution_id, attempt=held.attempt, token=held.token)
    moved = sql.persist(
        lambda: transitions.move_task(
            which,
            expect=TaskState.RUNNING,
            to=TaskState.RETRYING,
            reason=reason,
            message=outcome.message,
            delay=delay,
            counts="failure",
        )
    )
    if not moved:
        raise LostClaim(task_execution_id=held.execution_id)
    after = Consequences()
    after.freed(moved)
    return Finished(state=TaskState.RETRYING, after=after, message=outcome.message, delay=delay)


def _partial(outcome: Fail | Retry) -> str | None:
    if not isinstance(outcome, Fail) or outcome.output is None:
        return None
    try:
        text = transitions.json_text(outcome.output)
    except (TypeError, ValueError):
        return None
    return None if _unstorable(text) else text


def _spawned(held: Claim, plan: Plan, outcome: Spawn) -> Finished:
    """RUNNING → DEFERRED with the child run, in one transaction; the child's end settles the task."""
    try:
        child = launch.prepare_child(held, outcome)
    except launch.CannotSpawn as error:
        fail = Fail(message=str(error), reason=error.reason, permanent=True)
        return _failed(held, plan, plan.tasks[held.position], fail, 0.0)

    def write() -> Consequences | None:
        with sql.atomically():
            moved = transitions.move_task(
                Attempted(execution_id=held.execution_id, attempt=held.attempt, token=held.token),
                expect=TaskState.RUNNING,
                to=TaskState.DEFERRED,
            )
            failpoints.hit("deferring")
            if not moved:
                return None
            after = launch.start_child(held, child)
            after.freed(moved)
            return after

    after = sql.persist(write)
    if after is None:
        raise LostClaim(task_execution_id=held.execution_id)
    failpoints.hit("child_started")
    return Finished(state=TaskState.DEFERRED, after=after)


def _expanded(held: Claim, plan: Plan, outcome: Expand) -> Finished:
    """RUNNING → DEFERRED with a row for each item, in one transaction; the last item's end settles the task.

    Under the run's lock, or a cancel that does not see the new rows yet would leave them behind.
    """
    if not outcome.items:
        return _settled(held, plan, TaskState.SUCCESS, output="[]" if not outcome.keys else "{}")
    limited = plan.tasks[held.position].foreach_limit is not None

    def write() -> Consequences | None:
        with sql.atomically():
            sql.lock_run(held.run_id)
            moved = transitions.move_task(
                Attempted(execution_id=held.execution_id, attempt=held.attempt, token=held.token),
                expect=TaskState.RUNNING,
                to=TaskState.DEFERRED,
                message=f"{len(outcome.items)} items",
                output=transitions.json_text({"items": len(outcome.items), "keys": outcome.keys}),
            )
            if not moved:
                return None
            after = Consequences()
            after.freed(moved)
            after.ready(
                plan, held.run_id, transitions.expand(held.execution_id, held.position, outcome.items, limited=limited)
            )
            return after

    after = sql.persist(write)
    if after is None:
        raise LostClaim(task_execution_id=held.execution_id)
    return Finished(state=TaskState.DEFERRED, after=after)


def _deferred(held: Claim, plan: Plan, task: PlannedTask, outcome: Defer) -> Finished:
    """RUNNING → DEFERRED without a child run: a clock, a person or another look ends it."""
    output = _storable(outcome.output)
    if isinstance(output, Fail):
        return _failed(held, plan, task, output, 0.0)
    moved = sql.persist(lambda: waits.begin(held, outcome, output))
    if moved is None:
        raise LostClaim(task_execution_id=held.execution_id)
    after = Consequences()
    after.freed(moved)
    return Finished(state=TaskState.DEFERRED, after=after, message=outcome.message)
