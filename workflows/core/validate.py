"""What a specification means, checked in linear time: names, graph, types, parameters, expressions, times."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from zoneinfo import available_timezones

from pydantic import BaseModel, ValidationError

from workflows.core import cron, formats, graph
from workflows.core.callbacks import callback_problems
from workflows.core.complaints import problems_of
from workflows.core.durations import parse_duration
from workflows.core.errors import Problem
from workflows.core.naming import Suggestions, did_you_mean, path_of
from workflows.core.params import declaration_problem
from workflows.core.parse import Parsed, parse
from workflows.core.references import default_problems, expression_problems
from workflows.core.spec import DAG_ID_PATTERN, NAME_PATTERN, TASK_ID_PATTERN, DagSpec, ScheduleSpec, TaskSpec
from workflows.core.templating import is_template

_ID_WORDS = "letters, digits, _ - . (at most 200)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalogue:
    """What a document may refer to. None for pools or dags: not known, so any is accepted.

    `after` asks for every DAG that there is with the DAGs that it runs after; only documents that say `after` need it.
    """

    types: Mapping[str, type[BaseModel]]
    pools: frozenset[str] | None = None
    dags: frozenset[str] | None = None
    after: Callable[[], Mapping[str, tuple[str, ...]]] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How large a document may be."""

    max_tasks: int = 20_000
    max_edges: int = 200_000
    max_bytes: int = formats.MAX_BYTES


def check(
    source: str | bytes | Mapping[str, Any],
    catalogue: Catalogue,
    limits: Limits,
    format: formats.Format | None = None,
) -> Parsed:
    """Read a document from text or data and find every problem in it; the one check behind every door.

    Never raises for what is in the document. Problems are in the order of its lines.
    """
    loaded = load(source, limits, format)
    if loaded.problems and loaded.data is None:
        return Parsed(spec=None, problems=loaded.problems)
    parsed = parse(loaded.data)
    meaning = problems(parsed.draft, catalogue, limits) if parsed.draft is not None else ()
    if not loaded.problems and not parsed.problems and not meaning:
        return parsed
    lines = loaded.lines if loaded.text else None
    structure = loaded.problems + parsed.places.locate(parsed.problems, lines)
    known = {problem.path for problem in structure}
    more = tuple(p for p in parsed.places.trace_back(meaning, lines) if p.path not in known)
    found = sorted(structure + more, key=lambda p: (p.line or 0, p.column or 0))
    return Parsed(spec=None, problems=tuple(found), draft=parsed.draft, data=loaded.data, places=parsed.places)


def load(
    source: str | bytes | Mapping[str, Any],
    limits: Limits,
    format: formats.Format | None,
) -> formats.Loaded:
    """Text or data as it is before anything is asked of its form, within the limits."""
    if isinstance(source, (str, bytes)):
        return formats.read(source, format=format, max_bytes=limits.max_bytes)
    found = formats.unstorable(source)
    if not found and len(formats.canonical(source)) > limits.max_bytes:
        message = f"has more than {limits.max_bytes:,} bytes"
        found = [Problem(code="too_large", path="", message=message)]
        return formats.Loaded(None, "json", tuple(found), "")
    return formats.Loaded(source, "json", tuple(found), "")


def problems(spec: DagSpec, catalogue: Catalogue, limits: Limits) -> tuple[Problem, ...]:
    """Every problem in what a specification means. Also takes a draft, some parts of which are missing."""
    return (
        *_sizes(spec, limits),
        *_names(spec),
        *_graph(spec),
        *_tasks(spec, catalogue),
        *expression_problems(spec, catalogue.types),
        *_params(spec),
        *callback_problems(spec),
        *(_schedule(spec, spec.schedule, catalogue) if spec.schedule is not None else ()),
    )


def _problem(code: str, message: str, *path: str | int, tasks: tuple[str, ...] = ()) -> Problem:
    return Problem(code=code, path=path_of(*path), message=message, tasks=tasks)


def _task_problem(code: str, message: str, task: TaskSpec, *path: str | int) -> Problem:
    return _problem(code, message, "tasks", task.id, *path, tasks=(task.id,))


def _sizes(spec: DagSpec, limits: Limits) -> Iterator[Problem]:
    edges = sum(len(task.depends_on) for task in spec.tasks.values())
    if len(spec.tasks) > limits.max_tasks:
        message = f"has {len(spec.tasks):,} tasks; at most {limits.max_tasks:,} are allowed"
        yield _problem("too_many_tasks", message, "tasks")
    if edges > limits.max_edges:
        message = f"has {edges:,} dependencies; at most {limits.max_edges:,} are allowed"
        yield _problem("too_many_edges", message, "tasks")


def _names(spec: DagSpec) -> Iterator[Problem]:
    if not re.match(DAG_ID_PATTERN, spec.id) or spec.id.endswith("\n"):
        yield _problem("bad_id", f"must be made of {_ID_WORDS} and begin with a letter, a digit or _", "id")
    for task in spec.tasks.values():
        if not re.match(TASK_ID_PATTERN, task.id) or task.id.endswith("\n"):
            message = f"the task id must be made of {_ID_WORDS} and begin with a letter or _"
            yield _task_problem("bad_id", message, task)
    for name in spec.params:
        if not re.match(NAME_PATTERN, name) or name.endswith("\n"):
            message = "the name must be made of letters, digits and _ (at most 100), and not begin with a digit"
            yield _problem("bad_id", message, "params", name)


def _graph(spec: DagSpec) -> Iterator[Problem]:
    ids = Suggestions(spec.tasks)
    upstreams: dict[str, list[str]] = {}
    for task in spec.tasks.values():
        upstreams[task.id] = []
        for index, upstream in enumerate(task.depends_on):
            if upstream == task.id:
                yield _task_problem("self_dependency", "a task cannot wait for itself", task, "depends_on", index)
            elif upstream not in spec.tasks:
                message = f"there is no task {upstream!r}{ids.hint(upstream)}"
                yield _task_problem("unknown_upstream", message, task, "depends_on", index)
            else:
                upstreams[task.id].append(upstream)
    for cycle in graph.find_cycles(upstreams):
        index = spec.tasks[cycle[0]].depends_on.index(cycle[-1])
        message = f"the tasks wait for each other: {graph.written(cycle)}"
        yield _problem("cycle", message, "tasks", cycle[0], "depends_on", index, tasks=cycle)


def _tasks(spec: DagSpec, catalogue: Catalogue) -> Iterator[Problem]:
    types, ids = Suggestions(catalogue.types), Suggestions(spec.tasks)
    pools = Suggestions(catalogue.pools or ())
    for task in spec.tasks.values():
        model = catalogue.types.get(task.type)
        if model is not None:
            yield from _parameters(task, model)
        elif task.type:
            message = f"there is no task type {task.type!r}{types.hint(task.type)}"
            yield _task_problem("unknown_type", message, task, "type")
        if catalogue.pools is not None and task.pool not in catalogue.pools:
            message = f"there is no pool {task.pool!r}{pools.hint(task.pool)}"
            yield _task_problem("unknown_pool", message, task, "pool")
        yield from _mapped(task)
        yield from _branches(spec, task, ids)
        if task.type == "subdag":
            yield from _subdag(spec, task, catalogue)
        if task.type == "wait":
            yield from _wait(task)


def _mapped(task: TaskSpec) -> Iterator[Problem]:
    if task.foreach is None:
        if task.foreach_concurrency is not None:
            yield _task_problem("bad_foreach", "has no meaning without foreach", task, "foreach_concurrency")
        return
    if task.chooses:
        yield _task_problem("bad_foreach", "a task that chooses between branches cannot be mapped", task, "foreach")
    if isinstance(task.foreach, str):
        if not is_template(task.foreach):
            message = "is a text: write a list, a mapping, or an expression such as {{ tasks.find.output.files }}"
            yield _task_problem("bad_foreach", message, task, "foreach")
    elif not isinstance(task.foreach, (list, dict)):
        yield _task_problem("bad_foreach", "must be a list, a mapping or an expression", task, "foreach")


def _parameters(task: TaskSpec, model: type[BaseModel]) -> Iterator[Problem]:
    try:
        model.model_validate(task.parameters)
    except ValidationError as error:
        path = path_of("tasks", task.id, "parameters")
        raw = task.parameters
        yield from problems_of(error, raw, path=path, tasks=(task.id,), model=model, templates=True)


def _branches(spec: DagSpec, task: TaskSpec, ids: Suggestions) -> Iterator[Problem]:
    for place, target in task.choices:
        if target not in spec.tasks:
            message = f"there is no task {target!r} to go on with{ids.hint(target)}"
            yield _task_problem("unknown_branch_target", message, task, "parameters", *place)


def _subdag(spec: DagSpec, task: TaskSpec, catalogue: Catalogue) -> Iterator[Problem]:
    dag_id = task.parameters.get("dag_id")
    if not isinstance(dag_id, str) or is_template(dag_id):
        return
    if dag_id == spec.id:
        message = f"the DAG {dag_id!r} cannot run inside itself"
        yield _task_problem("subdag_recursion", message, task, "parameters", "dag_id")
    elif catalogue.dags is not None and dag_id not in catalogue.dags:
        message = f"there is no DAG {dag_id!r}{did_you_mean(dag_id, catalogue.dags)}"
        yield _task_problem("unknown_dag", message, task, "parameters", "dag_id")


def _wait(task: TaskSpec) -> Iterator[Problem]:
    """A wait that its own timeout, perhaps one from the defaults, ends every time."""
    try:
        seconds = parse_duration(task.parameters.get("for"))
    except ValueError:
        return
    if task.timeout is not None and seconds > task.timeout:
        message = f"is longer than the task's timeout of {task.timeout:g} s, so that the wait can only time out"
        yield _task_problem("out_of_range", message, task, "parameters", "for")


def _params(spec: DagSpec) -> Iterator[Problem]:
    for name, param in spec.params.items():
        wrong = declaration_problem(param)
        if wrong is not None:
            code, field, message = wrong
            yield Problem(code=code, path=f"{path_of('params', name)}.{field}", message=message)
        yield from default_problems(name, param)


def _schedule(spec: DagSpec, schedule: ScheduleSpec, catalogue: Catalogue) -> Iterator[Problem]:
    yield from _after(spec.id, schedule.after or (), catalogue)
    wrong = cron.problem(schedule.cron) if schedule.cron is not None else None
    if wrong:
        yield _problem("bad_schedule", wrong, "schedule", "cron")
    if schedule.timezone not in _timezones():
        message = f"there is no time zone {schedule.timezone!r}{did_you_mean(schedule.timezone, _timezones())}"
        yield _problem("bad_schedule", message, "schedule", "timezone")
    if schedule.start is not None and schedule.end is not None:
        aware = schedule.start.tzinfo is not None, schedule.end.tzinfo is not None
        if aware[0] == aware[1] and schedule.end <= schedule.start:
            yield _problem("bad_schedule", "is not after the start", "schedule", "end")


def _after(dag_id: str, upstream: tuple[str, ...], catalogue: Catalogue) -> Iterator[Problem]:
    """DAGs that this one runs after: they exist, and none of them runs after this one."""
    known = catalogue.after() if upstream and catalogue.after is not None else None
    for index, name in enumerate(upstream):
        if name == dag_id:
            yield _problem("bad_schedule", "a DAG cannot run after itself", "schedule", "after", index)
        elif known is not None and name not in known:
            message = f"there is no DAG {name!r}{did_you_mean(name, known)}"
            yield _problem("unknown_dag", message, "schedule", "after", index)
    others = {dag_id: upstream, **{name: ups for name, ups in (known or {}).items() if name != dag_id}}
    for cycle in graph.find_cycles({name: [up for up in ups if up in others] for name, ups in others.items()}):
        if dag_id in cycle and len(cycle) > 1:
            message = f"the DAGs would run after each other: {graph.written(cycle)}"
            yield _problem("bad_schedule", message, "schedule", "after")


@lru_cache(maxsize=1)
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())
