"""Run one attempt: claim, context, operator, outcome, finish. Runs in a worker's pool child."""

from __future__ import annotations

import logging
import random
import traceback
import uuid
from collections.abc import Callable

from celery.exceptions import SoftTimeLimitExceeded
from pydantic import ValidationError

from workflows import failpoints
from workflows.conf import conf
from workflows.core.errors import CeleriacError, LostClaim, RenderError
from workflows.core.outcome import Fail, Outcome, Skip
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import Reason
from workflows.engine import inputs, plans, sql, transitions
from workflows.engine.finish import Finished, finish
from workflows.engine.rows import Claim, Onward
from workflows.operators import registry
from workflows.operators.base import Context
from workflows.worker import limits, mapping
from workflows.worker.celery_calls import call_celery
from workflows.worker.logs import TaskLog, captured

OnwardOf = Callable[[Plan, PlannedTask], Onward | None]
process_log = logging.getLogger(__name__)


def claim(run_id: int, position: int, map_index: int, attempt: int, node: str) -> Claim | None:
    """Claim the attempt for this worker."""
    return transitions.claim(
        run_id, position, map_index, attempt, token=uuid.uuid4(), node=node, lease=conf.LEASE_SECONDS
    )


def run(held: Claim, onward: OnwardOf = lambda _plan, _task: None) -> tuple[Finished, Plan, PlannedTask]:
    """Run a claimed attempt to its committed end; `onward` says how this worker goes on after a success.

    Raises LostClaim when the lease was lost meanwhile.
    """
    ended = _run(held, onward)
    failpoints.hit("finished")
    return ended


def _run(held: Claim, onward: OnwardOf) -> tuple[Finished, Plan, PlannedTask]:
    plan = plans.plan_of(held.version_id).at(held.priority)
    task = plan.tasks[held.position]
    log = TaskLog(held.execution_id, held.attempt)
    try:
        with captured(log):
            outcome = _outcome(held, plan, task, log)
            if task.timeout is not None:
                limits.hold_off()
        failpoints.hit("operated")
        chance = random.random()  # noqa: S311
        return finish(held, plan, outcome, chance=chance, onward=onward(plan, task)), plan, task
    except SoftTimeLimitExceeded:
        # The limit struck just after the operator's return.
        return finish(held, plan, _timed_out(task), chance=0.5), plan, task
    except LostClaim:
        raise
    except Exception as error:
        if sql.is_lost(error):
            raise  # nothing can be written now: the lease brings the task back
        # An outcome that cannot be written: say so, instead of leaving the attempt to its lease, again and again.
        process_log.exception("the outcome of task execution %d could not be written", held.execution_id)
        fail = Fail(message=f"the outcome could not be written: {type(error).__name__}: {error}", permanent=True)
        return finish(held, plan, fail, chance=0.5), plan, task


def _outcome(held: Claim, plan: Plan, task: PlannedTask, log: TaskLog) -> Outcome:
    try:
        return _operate(held, plan, task, log)
    except SoftTimeLimitExceeded:
        return _timed_out(task)
    except (RenderError, ValidationError) as error:
        # The same inputs would fail the same way again.
        message = f"the parameters could not be made ready: {_brief(error)}"
        return Fail(message=message, reason=Reason.BAD_INPUT, permanent=True)
    except CeleriacError as error:
        return Fail(message=str(error))
    except Exception as error:
        log.write(traceback.format_exc(), stream="stderr")
        return Fail(message=f"{type(error).__name__}: {error}")


def _timed_out(task: PlannedTask) -> Fail:
    return Fail(message=f"did not end within its timeout of {task.timeout or 0:g} s", reason=Reason.TIMED_OUT)


def _brief(error: RenderError | ValidationError) -> str:
    if isinstance(error, RenderError):
        return str(error)
    return "; ".join(f"{'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors(include_url=False))


def _operate(held: Claim, plan: Plan, task: PlannedTask, log: TaskLog) -> Outcome:
    operator = registry.get(task.type)
    run, info, tasks = inputs.surroundings(held, plan, task)
    scope = inputs.scope_of(held, run, info, tasks)
    mapped = task.foreach is not None
    # A condition that names the item is asked for each item, any other one once, before there are items.
    asked = task.condition is not None and (not mapped or inputs.names_item(task.condition) == (held.map_index >= 0))
    if asked and not inputs.holds(task.condition or "", scope):
        return Skip(reason=Reason.CONDITION_FALSE)
    if mapped and held.map_index < 0:
        return mapping.items_of(task.foreach, lambda value: inputs.rendered(value, scope))
    parameters = inputs.ready(operator, task, scope)
    context = Context(
        parameters=operator.parameters.model_validate(parameters),
        run=run,
        task=info,
        log=log,
        tasks=tasks,
        call_celery=call_celery,
        evaluate=lambda text, names: inputs.holds(text, scope, names),
        interrupts=(SoftTimeLimitExceeded,),
    )
    return operator.run(context)
