"""What a task is given: its parameters with their templates rendered, for a worker and for those who look."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from workflows.conf import conf
from workflows.core import expressions, templating
from workflows.core.errors import CeleriacError
from workflows.core.plan import Plan, PlannedTask
from workflows.engine import plans, sql
from workflows.engine.rows import Claim
from workflows.models import TaskExecution
from workflows.operators import registry, shell_quoting
from workflows.operators.base import OperatorType, RunInfo, TaskInfo, TaskView

NOBODY = uuid.UUID(int=0)

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


def surroundings(held: Claim, plan: Plan, task: PlannedTask) -> tuple[RunInfo, TaskInfo, UpstreamTasks]:
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


Scope = Callable[[frozenset[str]], dict[str, Any]]


def names_item(condition: str) -> bool:
    """Whether a condition is to be asked for each item."""
    return "item" in expressions.analyse(condition).names


def rendered(value: Any, scope: Scope) -> Any:
    """A value with its templates rendered."""
    if not templating.is_template(value):
        return value
    return templating.render(value, scope(templating.tasks_named(value)), max_chars=conf.RENDER_MAX_CHARS)


def scope_of(held: Claim, run: RunInfo, info: TaskInfo, tasks: Tasks) -> Scope:
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


def holds(condition: str, scope: Scope, names: Mapping[str, Any] | None = None) -> bool:
    """Whether a condition is true."""
    return expressions.evaluate(condition, {**scope(expressions.analyse(condition).tasks), **(names or {})})


def ready(operator: OperatorType, task: PlannedTask, scope: Scope) -> dict[str, Any]:
    """The parameters with expressions evaluated and templates rendered; as they are when there are none."""
    if not task.templated and not operator.evaluates:
        return dict(task.parameters)
    ready: dict[str, Any] = {}
    for name, value in task.parameters.items():
        if name in operator.evaluates and isinstance(value, str):
            ready[name] = holds(value, scope)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The parameters as the document has them, and rendered; None, and why, where they cannot be rendered.

    `later` names those that only a worker renders: the values that have statements, whose loops may take long.
    """

    written: dict[str, Any]
    rendered: dict[str, Any] | None
    problem: str
    later: tuple[str, ...] = ()


def inputs_of(task: TaskExecution, attempt: int) -> Inputs:
    """The inputs of an attempt, from the run's parameters and from what its upstreams have given up to now.

    They are not kept when a task runs: after a surgery on an upstream they are those of the next attempt. No statement
    of a template runs here: who looks is answered by a process that serves everybody.
    """
    plan = plans.readable(task.run.version_id)
    if plan is None:
        return Inputs(written={}, rendered=None, problem="the plan of this version is of another release")
    planned = plan.tasks[task.position]
    written = dict(planned.parameters)
    if planned.foreach is not None and task.map_index < 0:
        return Inputs(written=written, rendered=None, problem="each of its items has inputs of its own")
    try:
        operator = registry.get(planned.type)
        later = tuple(
            n for n, value in written.items() if n not in operator.raw_fields and not templating.is_simple(value)
        )
        simple = replace(planned, parameters={name: value for name, value in written.items() if name not in later})
        held = _as_claimed(task, attempt)
        given = ready(operator, simple, scope_of(held, *surroundings(held, plan, planned)))
        quoted = {name: _quoted(given, name) for name in operator.quote_fields if name in given}
    except (CeleriacError, shell_quoting.Unquotable) as error:
        return Inputs(written=written, rendered=None, problem=str(error))
    return Inputs(written=written, rendered={**given, **quoted}, problem="", later=later)


def _quoted(parameters: Mapping[str, Any], name: str) -> Any:
    """A command with its values quoted, as its shell gets it."""
    text = parameters[name]
    if not isinstance(text, str):
        return text
    first = text.split("\n", 1)[0]
    named = first[2:].strip().split(None, 1) if name == "script" and first.startswith("#!") else []
    interpreter = named or [str(parameters.get("shell", "/bin/sh"))]
    return shell_quoting.quote(text, shell=shell_quoting.interprets(interpreter))


def _as_claimed(task: TaskExecution, attempt: int) -> Claim:
    """What a worker would hold that had claimed the attempt; the token opens nothing."""
    run = task.run
    return Claim(
        execution_id=task.pk,
        run_id=run.pk,
        position=task.position,
        map_index=task.map_index,
        attempt=attempt,
        token=NOBODY,
        failures=task.failures,
        version_id=run.version_id,
        params=run.params,
        logical_date=run.logical_date,
        trigger=run.trigger,
        external_id=run.external_id,
        interval_start=run.interval_start,
        priority=run.priority,
        item=task.item,
    )
