"""Run one attempt: claim, context, operator, outcome, finish. Runs in a worker's pool child."""

from __future__ import annotations

import logging
import random
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from pydantic import ValidationError

from workflows import failpoints
from workflows.conf import conf
from workflows.core import expressions, templating
from workflows.core.errors import CeleriacError, LostClaim, RenderError
from workflows.core.outcome import Fail, Outcome, Skip
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import Reason
from workflows.engine import plans, sql, transitions
from workflows.engine.finish import Finished, finish
from workflows.engine.rows import Claim, Onward
from workflows.operators import registry
from workflows.operators.base import Context, OperatorType, RunInfo, TaskInfo, TaskView
from workflows.worker import limits, mapping
from workflows.worker.celery_calls import call_celery
from workflows.worker.logs import TaskLog, captured

OnwardOf = Callable[[Plan, PlannedTask], Onward | None]
process_log = logging.getLogger(__name__)

# The output of a mapped task is made of those of its items, here and now: kept once more in its own row it could be
# larger than any row should be.
_UPSTREAM = """
SELECT t.task_id, t.state, t.output, i.outputs FROM workflows_taskexecution t
  LEFT JOIN LATERAL (
       SELECT CASE WHEN t.output -> 'keys' = 'true'
                   THEN jsonb_object_agg(COALESCE(m.item ->> 'key', m.map_index::text), m.output)
                   ELSE jsonb_agg(m.output ORDER BY m.map_index) END AS outputs
         FROM workflows_taskexecution m
        WHERE m.run_id = t.run_id AND m.position = t.position AND m.map_index >= 0 AND m.reason <> 'item_gone'
       ) i ON t.position = ANY(%s::int[])
 WHERE t.run_id = %s AND t.position = ANY(%s::int[]) AND t.map_index = -1
"""


class Tasks(Mapping[str, TaskView]):
    """The states and outputs of other tasks of the run, read when they are asked for."""

    def __init__(self, plan: Plan, run_id: int) -> None:
        self._plan = plan
        self._run_id = run_id
        self._seen: dict[str, TaskView] = {}

    def fetch(self, ids: set[str] | frozenset[str]) -> dict[str, TaskView]:
        """The named tasks, in one query; unknown ids are left out."""
        missing = [self._plan.by_id[i] for i in ids if i in self._plan.by_id and i not in self._seen]
        if missing:
            mapped = [position for position in missing if self._plan.tasks[position].foreach is not None]
            for task_id, state, output, outputs in sql.read(_UPSTREAM, (mapped, self._run_id, missing)):
                self._seen[task_id] = {"state": state, "output": output if outputs is None else outputs}
        return {i: self._seen[i] for i in ids if i in self._seen}

    def __getitem__(self, task_id: str) -> TaskView:
        return self.fetch({task_id})[task_id]

    def __iter__(self) -> Iterator[str]:
        return iter(self._plan.by_id)

    def __len__(self) -> int:
        return len(self._plan.by_id)


class UpstreamTasks(Tasks):
    """The same, but only the direct upstreams are listed: what a python task is shown."""

    def __init__(self, plan: Plan, run_id: int, task: PlannedTask) -> None:
        super().__init__(plan, run_id)
        self._ids = [plan.tasks[p].id for p in task.upstream]

    def __iter__(self) -> Iterator[str]:
        self.fetch(frozenset(self._ids))  # who lists them reads them: one query, not one for each
        return iter(self._ids)

    def __len__(self) -> int:
        return len(self._ids)


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


def _surroundings(held: Claim, plan: Plan, task: PlannedTask) -> tuple[RunInfo, TaskInfo, UpstreamTasks]:
    """The run, the task and its upstreams, as operators and templates see them."""
    run = RunInfo(
        id=held.run_id,
        dag_id=plan.dag_id,
        version=plans.version_number(held.version_id),
        logical_date=held.logical_date,
        params=held.params,
        trigger=held.trigger,
        external_id=held.external_id,
        interval_start=held.interval_start or held.logical_date,
    )
    info = TaskInfo(
        id=task.id,
        name=task.name,
        execution_id=held.execution_id,
        attempt=held.attempt,
        timeout=task.timeout,
        map_index=held.map_index,
    )
    return run, info, UpstreamTasks(plan, held.run_id, task)


def rendered(held: Claim) -> dict[str, Any]:
    """The parameters that an attempt would get now. Raises RenderError; runs nothing."""
    plan = plans.plan_of(held.version_id).at(held.priority)
    task = plan.tasks[held.position]
    return _ready(registry.get(task.type), task, _scope(held, *_surroundings(held, plan, task)))


def _operate(held: Claim, plan: Plan, task: PlannedTask, log: TaskLog) -> Outcome:
    operator = registry.get(task.type)
    run, info, tasks = _surroundings(held, plan, task)
    scope = _scope(held, run, info, tasks)
    mapped = task.foreach is not None
    # A condition that names the item is asked for each item, any other one once, before there are items.
    asked = task.condition is not None and (not mapped or _names_item(task.condition) == (held.map_index >= 0))
    if asked and not _holds(task.condition or "", scope):
        return Skip(reason=Reason.CONDITION_FALSE)
    if mapped and held.map_index < 0:
        return mapping.items_of(task.foreach, lambda value: _rendered(value, scope))
    parameters = _ready(operator, task, scope)
    context = Context(
        parameters=operator.parameters.model_validate(parameters),
        run=run,
        task=info,
        log=log,
        tasks=tasks,
        call_celery=call_celery,
        evaluate=lambda text, names: _holds(text, scope, names),
        interrupts=(SoftTimeLimitExceeded,),
    )
    return operator.run(context)


Scope = Callable[[frozenset[str]], dict[str, Any]]


def _names_item(condition: str) -> bool:
    return "item" in expressions.analyse(condition).names


def _rendered(value: Any, scope: Scope) -> Any:
    if not templating.is_template(value):
        return value
    return templating.render(value, scope(templating.tasks_named(value)), max_chars=conf.RENDER_MAX_CHARS)


def _scope(held: Claim, run: RunInfo, info: TaskInfo, tasks: Tasks) -> Scope:
    """What templates may name, made when a template is there; only the tasks that it names are read."""
    context: dict[str, Any] = {
        "params": run.params,
        "dag": {"id": run.dag_id, "version": run.version},
        "run": {
            "id": run.id,
            "logical_date": run.logical_date,
            "trigger": run.trigger,
            "external_id": run.external_id,
            "interval_start": run.interval_start,
            "interval_end": run.logical_date,
            "version": run.version,
        },
        "task": {"id": info.id, "name": info.name, "attempt": info.attempt, "map_index": info.map_index},
    }
    if held.map_index >= 0:
        context["item"] = held.item
    return lambda named: {**context, "tasks": tasks.fetch(named)}


def _holds(condition: str, scope: Scope, names: Mapping[str, Any] | None = None) -> bool:
    return expressions.evaluate(condition, {**scope(expressions.analyse(condition).tasks), **(names or {})})


def _ready(operator: OperatorType, task: PlannedTask, scope: Scope) -> dict[str, Any]:
    """The parameters with expressions evaluated and templates rendered; as they are when there are none."""
    if not task.templated and not operator.evaluates:
        return dict(task.parameters)
    ready: dict[str, Any] = {}
    for name, value in task.parameters.items():
        if name in operator.evaluates and isinstance(value, str):
            ready[name] = _holds(value, scope)
        elif name not in operator.raw_fields and templating.is_template(value):
            quote = operator.quote if name in operator.quote_fields else None
            kept = _kept(operator, name, value)
            value = {key: part for key, part in value.items() if key not in kept} if kept else value
            context = scope(templating.tasks_named(value))
            rendered = templating.render(value, context, max_chars=conf.RENDER_MAX_CHARS, quote=quote)
            ready[name] = {**rendered, **kept} if kept else rendered
        else:
            ready[name] = value
    return ready


def _kept(operator: OperatorType, name: str, value: Any) -> dict[str, Any]:
    """The parts of a parameter that are code, such as the query of its sql: never rendered."""
    if not isinstance(value, Mapping):
        return {}
    return {key: part for key, part in value.items() if f"{name}.{key}" in operator.raw_fields}
