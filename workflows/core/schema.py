"""JSON Schema (2020-12) of the document and of task types, for forms, editors and the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from workflows.core.complaints import MARK, NEVER_RENDERED
from workflows.core.parse import MAX_CALLBACKS
from workflows.core.spec import (
    DAG_ID_PATTERN,
    NAME_PATTERN,
    SCHEDULE_KINDS,
    TASK_ID_PATTERN,
    CallbackSpec,
    ConfigSpec,
    DagHeader,
    ParamSpec,
    ScheduleSpec,
    TaskDefaults,
    TaskSpec,
)
from workflows.core.task_reader import SHORTHANDS

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_MODELS: tuple[type[BaseModel], ...] = (
    DagHeader,
    ParamSpec,
    ScheduleSpec,
    ConfigSpec,
    CallbackSpec,
    TaskDefaults,
    TaskSpec,
)
_TEMPLATE = {"type": "string", "pattern": r"\{[{%]", "description": "A text with {{ expressions }}."}
_NULL = {"type": "null"}
_ID_LIST: dict[str, Any] = {"type": "array", "items": {"type": "string"}}
_IDS: dict[str, Any] = {"anyOf": [_ID_LIST, {"type": "string"}, _NULL]}


def task_type_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of a task type's parameters as they are once rendered."""
    return {"$schema": DIALECT, **model.model_json_schema()}


def document_schema(types: Mapping[str, type[BaseModel]] | None = None) -> dict[str, Any]:
    """The schema of a whole document; with `types`, also of each type's parameters, templates allowed.

    What needs more than one place to judge (the graph, references) is for `core.validate`.
    """
    _, top = models_json_schema([(model, "validation") for model in _MODELS])
    defs: dict[str, Any] = top["$defs"]
    header = defs.pop("DagHeader")
    defs["TaskSpec"] = _task(defs["TaskSpec"])
    on = defs["CallbackSpec"]["properties"]["on"]
    on["minItems"] = on.pop("minLength", 1)  # what pydantic makes of a bound behind a validator
    words = {key: on.pop(key) for key in ("title", "description") if key in on}
    defs["CallbackSpec"]["properties"]["on"] = {**words, "anyOf": [on, on["items"]]}
    defs["CallbackSpec"]["oneOf"] = [{"required": [name]} for name in ("webhook", "email")]
    defs["ScheduleSpec"]["oneOf"] = [{"required": [name]} for name in SCHEDULE_KINDS]
    for name, model in (types or {}).items():
        _add_type(defs, name, model)
    header["properties"]["id"]["pattern"] = DAG_ID_PATTERN
    return {
        "$schema": DIALECT,
        "title": "A DAG of Celeriac",
        "type": "object",
        "properties": {
            **header["properties"],
            "params": {
                **_map_of({"anyOf": [_ref("ParamSpec"), _NULL]}, NAME_PATTERN),
                "description": "The parameters of a run.",
            },
            "schedule": {"anyOf": [_ref("ScheduleSpec"), {"type": "string", "title": "cron"}, _NULL]},
            "config": {"anyOf": [_ref("ConfigSpec"), _NULL]},
            "callbacks": {
                "anyOf": [{"type": "array", "items": _ref("CallbackSpec"), "maxItems": MAX_CALLBACKS}, _NULL],
                "description": "Who is told of the ends and failures of its runs.",
            },
            "defaults": {"anyOf": [_ref("TaskDefaults"), _NULL]},
            "tasks": {"anyOf": [_tasks_by_id(), _tasks_in_list()]},
            "dependencies": {"anyOf": [_map_of(_IDS, TASK_ID_PATTERN), _NULL]},
        },
        "required": ["id", "tasks"],
        "additionalProperties": False,
        "$defs": defs,
    }


def _ref(name: str) -> dict[str, Any]:
    return {"$ref": f"#/$defs/{name}"}


def _map_of(value: dict[str, Any], pattern: str) -> dict[str, Any]:
    return {"type": "object", "propertyNames": {"pattern": pattern}, "additionalProperties": value}


def _tasks_by_id() -> dict[str, Any]:
    return {**_map_of(_ref("TaskSpec"), TASK_ID_PATTERN), "minProperties": 1}


def _tasks_in_list() -> dict[str, Any]:
    task = {"allOf": [_ref("TaskSpec"), {"required": ["id"]}]}
    return {"type": "array", "items": task, "minItems": 1}


def _task(resolved: dict[str, Any]) -> dict[str, Any]:
    """The schema of a task as it is written: with shorthands, and without what the document's map says."""
    properties = dict(resolved["properties"])
    properties["id"] = {**properties["id"], "pattern": TASK_ID_PATTERN}
    properties["depends_on"] = {**_IDS, "description": properties["depends_on"].get("description", "")}
    for name in SHORTHANDS:
        properties[name] = {"description": f"The same as parameters.{name}."}
    for name in ("true_task", "false_task"):
        side = name.removesuffix("_task")
        words = f"Of a conditional: the task that goes on when the condition is {side}."
        properties[name] = {"anyOf": [{"type": "string"}, _NULL], "description": words}
    properties["cases"] = {"description": "Of a switch: [{when: expression, task: id}, …]; the first true one counts."}
    words = "Of a switch: the task that goes on when no case is true."
    properties["default"] = {"anyOf": [{"type": "string"}, _NULL], "description": words}
    return {**resolved, "properties": properties, "required": ["type"]}


def _add_type(defs: dict[str, Any], name: str, model: type[BaseModel]) -> None:
    """Hold tasks of a type to its parameters, except for what is missing: a shorthand may stand for it."""
    prefix = f"{name}_parameters"
    schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}")
    for inner, inner_schema in schema.pop("$defs", {}).items():
        defs[f"{prefix}.{inner}"] = _with_templates(inner_schema)
    schema = _with_templates(schema)
    schema.pop("required", None)
    defs[prefix] = schema
    defs["TaskSpec"].setdefault("allOf", []).append(
        {
            "if": {"properties": {"type": {"const": name}}, "required": ["type"]},
            "then": {"properties": {"parameters": _ref(prefix)}},
        }
    )


def _with_templates(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with a template allowed wherever a value is."""
    result = dict(schema)
    if isinstance(result.get("properties"), dict):
        result["properties"] = {name: _or_template(inner) for name, inner in result["properties"].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict) and result[key]:
            result[key] = _or_template(result[key])
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(result.get(key), list):
            result[key] = [_with_templates(inner) for inner in result[key]]
    return result


def _or_template(schema: dict[str, Any]) -> dict[str, Any]:
    inner = _with_templates(schema)
    if schema.get(MARK) in NEVER_RENDERED or not schema:
        return inner
    outer = {key: inner.pop(key) for key in ("title", "description", "default", MARK) if key in inner}
    return {**outer, "anyOf": [inner, _TEMPLATE]}
