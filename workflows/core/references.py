"""What the expressions of a DAG refer to, and whether that will be there when they run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from workflows.core import expressions, graph, templating
from workflows.core.complaints import MARK, model_in
from workflows.core.errors import Problem
from workflows.core.naming import Suggestions, below, path_of
from workflows.core.spec import DagSpec, ParamSpec, TaskSpec

NAMES = "x-names"  # in the JSON Schema of an expression: what it may name besides the context
_DEFAULT_NAMES = frozenset(("run", "dag"))  # what the default of a parameter may refer to


@dataclass(frozen=True, slots=True)
class _Use:
    """One expression of a task."""

    task: str
    path: str
    analysis: templating.Analysis
    names: frozenset[str] = frozenset()  # that it may use besides those of the context


def expression_problems(spec: DagSpec, types: Mapping[str, type[BaseModel]]) -> Iterator[Problem]:
    """Everything wrong with the conditions and templates of the tasks."""
    uses = [use for task in spec.tasks.values() for use in _uses(task, types.get(task.type))]
    names = Suggestions(templating.CONTEXT_NAMES)
    params = Suggestions(spec.params)
    for use in uses:
        analysis = use.analysis
        if analysis.problem:
            yield _problem(use, "bad_expression", analysis.problem)
        if analysis.loose_tasks:
            yield _problem(use, "bad_expression", "tasks must be followed by the id of a task: tasks.fetch")
        for name in sorted(analysis.names - templating.CONTEXT_NAMES - use.names):
            yield _problem(use, "unknown_name", f"there is no {name!r} here{names.hint(name)}")
        if "item" in analysis.names and (spec.tasks[use.task].foreach is None or use.path.endswith(".foreach")):
            yield _problem(use, "unknown_name", "there is no item here: a task has items through its foreach")
        for name in sorted(analysis.params - spec.params.keys()):
            yield _problem(use, "unknown_param", f"params.{name} is not declared{params.hint(name)}")
    yield from _task_references(spec, uses)


def default_problems(name: str, param: ParamSpec) -> Iterator[Problem]:
    """What is wrong with the templates in the default of a parameter."""
    base = path_of("params", name, "default")
    for path, text in leaves(param.default, base):
        analysis = templating.analyse(text)
        unknown = sorted(analysis.names - _DEFAULT_NAMES)
        if analysis.problem:
            yield Problem(code="bad_expression", path=path, message=analysis.problem)
        elif not analysis.simple:
            message = "a default may hold {{ expressions }} but no statements"
            yield Problem(code="bad_expression", path=path, message=message)
        elif unknown:
            message = f"a default can refer to run and dag only, not to {', '.join(unknown)}"
            yield Problem(code="unknown_name", path=path, message=message)


def leaves(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every leaf text that is a template, with its path."""
    todo = [(value, path)]
    while todo:
        part, at = todo.pop()
        if isinstance(part, str):
            if templating.is_template(part):
                yield at, part
        elif isinstance(part, Mapping):
            todo.extend((item, below(at, str(key))) for key, item in part.items())
        elif isinstance(part, (list, tuple)):
            todo.extend((item, below(at, index)) for index, item in enumerate(part))


def _uses(task: TaskSpec, model: type[BaseModel] | None) -> Iterator[_Use]:
    if task.condition is not None:
        path = path_of("tasks", task.id, "condition")
        yield _Use(task.id, path, expressions.analyse(task.condition))
    for place, text in leaves(task.foreach, path_of("tasks", task.id, "foreach")):
        yield _Use(task.id, place, templating.analyse(text))
    yield from _uses_in(task, model, task.parameters, path_of("tasks", task.id, "parameters"))


def _uses_in(task: TaskSpec, model: type[BaseModel] | None, values: Mapping[str, Any], path: str) -> Iterator[_Use]:
    """The expressions in parameters; those in the parts of a parameter that has a model of its own, too."""
    for name, value in values.items():
        kind, more = _kind_of(model, name)
        place = below(path, name)
        if kind == "raw":
            continue
        if kind in ("expression", "later") and isinstance(value, str):
            yield _Use(task.id, place, expressions.analyse(value), more)
            continue
        inner = _inner(model, name)
        for at, part in _parts(value, place) if inner is not None else [(place, value)]:
            if inner is not None and isinstance(part, Mapping):
                yield from _uses_in(task, inner, part, at)
            elif kind != "written" and templating.is_template(part):
                for leaf, text in leaves(part, at):
                    yield _Use(task.id, leaf, templating.analyse(text))


def _inner(model: type[BaseModel] | None, name: str) -> type[BaseModel] | None:
    """The model of the parts of a parameter, if they have one."""
    field = model.model_fields.get(name) if model is not None else None
    return model_in(field.annotation) if field is not None else None


def _parts(value: Any, path: str) -> list[tuple[str, Any]]:
    if isinstance(value, (list, tuple)):
        return [(below(path, index), part) for index, part in enumerate(value)]
    return [(path, value)]


def _kind_of(model: type[BaseModel] | None, name: str) -> tuple[object, frozenset[str]]:
    """How templates in a parameter are treated, and what its expression may name besides the context."""
    field = model.model_fields.get(name) if model is not None else None
    extra = field.json_schema_extra if field is not None else None
    if not isinstance(extra, dict):
        return None, frozenset()
    names = extra.get(NAMES)
    return extra.get(MARK), frozenset(str(each) for each in names) if isinstance(names, list) else frozenset()


def _problem(use: _Use, code: str, message: str, *others: str) -> Problem:
    return Problem(code=code, path=use.path, message=message, tasks=(use.task, *others))


def _task_references(spec: DagSpec, uses: list[_Use]) -> Iterator[Problem]:
    """References to tasks that do not exist, or whose output will not be there in time."""
    ids = Suggestions(spec.tasks)
    far: list[tuple[_Use, str]] = []
    for use in uses:
        for name in sorted(use.analysis.tasks):
            if name not in spec.tasks:
                yield _problem(use, "unknown_task", f"there is no task {name!r}{ids.hint(name)}")
            elif name == use.task:
                yield _problem(use, "not_upstream", "a task cannot refer to its own output")
            elif name not in spec.tasks[use.task].depends_on:
                far.append((use, name))
    if not far:
        return
    bits = {name: 1 << at for at, name in enumerate(dict.fromkeys(name for _, name in far))}
    above = _ancestors(spec.upstreams(), bits)
    for use, name in far:
        if not above[use.task] & bits[name]:
            message = f"{name!r} is not upstream of {use.task!r}: add it to depends_on, or it may not have run"
            yield _problem(use, "not_upstream", message, name)


def _ancestors(upstreams: Mapping[str, tuple[str, ...]], bits: Mapping[str, int]) -> dict[str, int]:
    """Which of the marked tasks are upstream of each task, as a set of bits: one pass for all of them."""
    above: dict[str, int] = {}
    for part in graph.components(upstreams):
        found = 0
        for member in part:
            for upstream in upstreams[member]:
                found |= above.get(upstream, 0) | bits.get(upstream, 0)
        above.update(dict.fromkeys(part, found))
    return above
