"""Where the texts of a document stand: what a run makes of each, and so what may be put into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from workflows.core.complaints import MARK, model_in
from workflows.core.insertion import Place
from workflows.core.spec import TaskSpec
from workflows.core.task_reader import OWN_SHORTHANDS

Path = tuple[str | int, ...]
Types = Mapping[str, type[BaseModel]]

_STRUCTURE = frozenset(("id", "type", "depends_on", "trigger_rule"))
_MARKS = {
    "quoted": Place.QUOTED,
    "raw": Place.CODE,
    "expression": Place.EXPRESSION,
    "later": Place.EXPRESSION,
    "written": Place.STRUCTURE,
}


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every value of a document that is neither a list nor a mapping, with its path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def place_of(path: Path, document: Mapping[str, Any], types: Types) -> Place:
    """What a run makes of the text at a path of a DAG's document."""
    match path:
        case ("id" | "name" | "description" | "version", *_) | ("config", "tags" | "owner", *_):
            return Place.FREE
        case ("params", _, "default", *_):
            return Place.RENDERED
        case ("params", *_):
            return Place.FREE
        case ("dependencies", *_):
            return Place.STRUCTURE
        case ("defaults", "trigger_rule", *_):
            return Place.STRUCTURE
        case ("tasks", key, field, *inner):
            return _in_task(_task(document, key), field, tuple(inner), types)
    return Place.FIELD


def _task(document: Mapping[str, Any], key: str | int) -> Mapping[str, Any]:
    tasks = document.get("tasks")
    found: Any = tasks.get(key) if isinstance(tasks, Mapping) else tasks[key] if isinstance(key, int) and tasks else {}
    return found if isinstance(found, Mapping) else {}


def _in_task(task: Mapping[str, Any], field: str | int, inner: Path, types: Types) -> Place:
    kind = task.get("type")
    model = types.get(kind) if isinstance(kind, str) else None
    if field == "parameters" and inner:
        return _parameter(kind, inner, model)
    if field not in TaskSpec.model_fields and model is not None and _field(model, str(field)):  # a shorthand
        return _parameter(kind, (field, *inner), model)
    if field in _STRUCTURE:
        return Place.STRUCTURE
    if field == "foreach":
        return Place.RENDERED if inner else Place.ITEMS
    if field == "condition":
        return Place.EXPRESSION
    return Place.FREE if field in ("name", "description") else Place.FIELD


def _parameter(kind: Any, inner: Path, model: type[BaseModel] | None) -> Place:
    """The place of a parameter, by the mark of its field, or of the field of a model in it."""
    if kind == "conditional" and inner[0] in OWN_SHORTHANDS[kind]:
        return Place.EXPRESSION if inner[0] == "condition" else Place.STRUCTURE
    place = Place.RENDERED
    for part in inner:
        if isinstance(part, int) or model is None:
            continue
        field = _field(model, part)
        extra = field.json_schema_extra if field is not None else None
        mark = extra.get(MARK) if isinstance(extra, dict) else None
        if mark is not None:
            place = _MARKS.get(str(mark), Place.CODE)
        model = model_in(field.annotation) if field is not None else None
    return place


def _field(model: type[BaseModel], name: str) -> FieldInfo | None:
    """The field that a document calls by a name; some have an alias, since Python could not name them so."""
    known = model.model_fields.get(name)
    return known or next((field for field in model.model_fields.values() if field.alias == name), None)
