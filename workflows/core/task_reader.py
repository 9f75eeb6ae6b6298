"""The tasks of a document: both ways to list them, shorthands, defaults, and every edge with its origin."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from workflows.core import expressions
from workflows.core.naming import below, describe, did_you_mean, path_of
from workflows.core.reading import Reading
from workflows.core.spec import TaskDefaults, TaskSpec

SHORTHANDS = ("command", "script", "image")  # task fields that are parameters of most types
OWN_SHORTHANDS = {"conditional": ("condition", "true_task", "false_task"), "switch": ("cases", "default")}
_MERGED = ("retry", "resources")  # defaults that are merged key by key
_NULLABLE = frozenset(("timeout", "condition", "foreach", "foreach_concurrency"))

Edges = dict[str, dict[str, str]]  # task -> upstream -> the path at which the edge is written


def read_tasks(reading: Reading, data: Mapping[str, Any]) -> dict[str, TaskSpec]:
    """The tasks that could be read, each with all its upstreams."""
    defaults = _defaults(reading, data.get("defaults"))
    raws = dict(_listed(reading, data.get("tasks")))
    tasks: dict[str, TaskSpec] = {}
    edges: Edges = {}
    for task_id, raw in raws.items():
        path = below("tasks", task_id)
        fields = _fields(reading, task_id, raw, path, defaults)
        edges[task_id] = {}
        for upstream, at in reading.ids(fields.pop("depends_on", None), below(path, "depends_on"), task_id):
            edges[task_id].setdefault(upstream, at)
        task = reading.model(TaskSpec, fields, path, task_id)
        tasks[task_id] = task or TaskSpec(id=task_id, type="")
    _add_dependencies(reading, data.get("dependencies"), edges)
    _add_branches(tasks, edges)
    return {task_id: _with_edges(reading, task, edges[task_id]) for task_id, task in tasks.items()}


def _defaults(reading: Reading, raw: Any) -> dict[str, Any]:
    """The defaults that are right, as they were written."""
    given = reading.mapping(raw, "defaults")
    before = len(reading.problems)
    reading.model(TaskDefaults, given, "defaults")
    paths = [problem.path for problem in reading.problems[before:]]
    return {key: value for key, value in given.items() if not _any_at(paths, below("defaults", key))}


def _any_at(paths: list[str], path: str) -> bool:
    return any(each == path or each.startswith((path + ".", path + "[")) for each in paths)


def _listed(reading: Reading, raw: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """Id and fields of each task, from a mapping or from a list of mappings with ids."""
    if raw is None:
        reading.problem("missing_field", "tasks", "is missing: a DAG has at least one task")
    elif isinstance(raw, Mapping):
        if not raw:
            reading.problem("missing_field", "tasks", "is empty: a DAG has at least one task")
        for task_id, fields in reading.mapping(raw, "tasks").items():
            read = reading.mapping(fields, below("tasks", task_id), task_id)
            yield task_id, read if fields is None or isinstance(fields, Mapping) else {"type": ""}
    elif isinstance(raw, (list, tuple)):
        yield from _from_list(reading, raw)
    else:
        reading.problem("wrong_type", "tasks", f"must be a mapping or a list of tasks, not {describe(raw)}")


def _from_list(reading: Reading, raw: list[Any] | tuple[Any, ...]) -> Iterator[tuple[str, dict[str, Any]]]:
    places: dict[str, str] = {}
    for index, item in enumerate(raw):
        path = below("tasks", index)
        fields = reading.mapping(item, path)
        task_id = fields.get("id")
        if task_id is None:
            if isinstance(item, Mapping) or item is None:
                reading.problem("missing_field", below(path, "id"), "is missing")
        elif not isinstance(task_id, str):
            reading.problem("wrong_type", below(path, "id"), f"must be text, not {describe(task_id)}")
        elif task_id in places:
            message = f"the task id {task_id!r} is given twice: at {places[task_id]} and again at {path}"
            reading.problem("duplicate_id", below(path, "id"), message, task_id)
        else:
            places[task_id] = path
            reading.places.listed[below("tasks", task_id)] = path
            yield task_id, fields


def _fields(
    reading: Reading, task_id: str, raw: Mapping[str, Any], path: str, defaults: Mapping[str, Any]
) -> dict[str, Any]:
    """The fields of a task with its defaults merged in and its shorthands moved where they belong."""
    fields = {key: value for key, value in raw.items() if value is not None or key in _NULLABLE}
    if fields.setdefault("id", task_id) != task_id:
        message = f"differs from the task's key {task_id!r}; leave it out"
        reading.problem("conflict", below(path, "id"), message, task_id)
        fields["id"] = task_id
    if "type" not in fields:
        reading.problem("missing_field", below(path, "type"), "is missing", task_id)
        fields["type"] = ""
    _move_shorthands(reading, fields, path)
    for key, value in defaults.items():
        if value is None:
            continue
        if key not in raw:
            fields[key] = value
        elif key in _MERGED and isinstance(fields.get(key), Mapping):
            fields[key] = {**value, **fields[key]}
    return fields


def _move_shorthands(reading: Reading, fields: dict[str, Any], path: str) -> None:
    kind = fields["type"] if isinstance(fields["type"], str) else ""
    names = SHORTHANDS + OWN_SHORTHANDS.get(kind, ())
    moved = [name for name in names if name in fields]
    inner = fields.get("parameters", {})
    if isinstance(inner, Mapping):
        parameters = dict(inner)
        for name in moved:
            value = fields.pop(name)
            if name in parameters:
                message = f"is given twice: here and at {below(below(path, 'parameters'), name)}"
                reading.problem("conflict", below(path, name), message, fields["id"])
            elif value is not None:
                parameters[name] = value
                reading.places.moved[below(below(path, "parameters"), name)] = below(path, name)
        fields["parameters"] = _without_braces(kind, parameters)
    else:
        for name in moved:
            del fields[name]


def _without_braces(kind: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """The expressions by which a task chooses, without the braces that people write around them out of habit."""
    if kind == "conditional" and isinstance(parameters.get("condition"), str):
        return {**parameters, "condition": expressions.bare(parameters["condition"])}
    if kind == "switch" and isinstance(parameters.get("cases"), (list, tuple)):
        return {**parameters, "cases": [_bare_case(case) for case in parameters["cases"]]}
    return parameters


def _bare_case(case: Any) -> Any:
    if isinstance(case, Mapping) and isinstance(case.get("when"), str):
        return {**case, "when": expressions.bare(case["when"])}
    return case


def _add_dependencies(reading: Reading, raw: Any, edges: Edges) -> None:
    """The edges of the document's own `dependencies`: task -> its upstreams."""
    for task_id, upstreams in reading.mapping(raw, "dependencies").items():
        path = below("dependencies", task_id)
        if task_id not in edges:
            message = f"there is no task {task_id!r}{did_you_mean(task_id, edges)}"
            reading.problem("unknown_task", path, message, task_id)
        for upstream, at in reading.ids(upstreams, path, task_id):
            edges.get(task_id, {}).setdefault(upstream, at)


def _add_branches(tasks: Mapping[str, TaskSpec], edges: Edges) -> None:
    """A task that chooses is an upstream of the tasks that it chooses from."""
    for task in tasks.values():
        for place, target in task.choices:
            if target in edges:
                edges[target].setdefault(task.id, path_of("tasks", task.id, "parameters", *place))


def _with_edges(reading: Reading, task: TaskSpec, upstreams: Mapping[str, str]) -> TaskSpec:
    path = below(below("tasks", task.id), "depends_on")
    for index, written in enumerate(upstreams.values()):
        if written != below(path, index):
            reading.places.moved[below(path, index)] = reading.places.moved.get(written, written)
    return task.model_copy(update={"depends_on": tuple(upstreams)}) if upstreams else task
