from __future__ import annotations

import functools
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel, Field

from tests.unit.core.documents import DAILY_SALES, TYPES
from workflows.core import formats, schema


@functools.cache
def validator(*, typed: bool = True) -> jsonschema.Draft202012Validator:
    made = schema.document_schema(TYPES if typed else None)
    jsonschema.Draft202012Validator.check_schema(made)
    return jsonschema.Draft202012Validator(made)


@pytest.mark.parametrize("typed", [False, True])
def test_the_example_of_the_design_fits_the_schema(typed: bool) -> None:
    errors = list(validator(typed=typed).iter_errors(formats.load(DAILY_SALES).data))
    assert errors == []


@pytest.mark.parametrize(
    "task",
    [
        {"type": "shell", "timeout": 5, "depends_on": "b", "priority": 9},
        {"type": "shell", "timeout": None, "depends_on": None, "retry": {"delay": "10s"}},
        {
            "type": "http",
            "parameters": {"url": "x", "port": "{{ params.port }}", "headers": {"a": "{{ x }}"}},
        },
        {"type": "conditional", "condition": "x", "true_task": None},
        {"type": "switch", "cases": [{"when": "x", "task": "b"}], "default": "c"},
    ],
)
def test_accepted_tasks(task: dict[str, Any]) -> None:
    validator().validate({"id": "x", "tasks": {"a": task}})
    validator().validate({"id": "x", "tasks": [{**task, "id": "a"}], "schedule": "@daily"})


@pytest.mark.parametrize(
    "data",
    [
        {"id": "x"},
        {"tasks": {"a": {"type": "shell"}}},
        {"id": "x", "tasks": {}},
        {"id": "x y", "tasks": {"a": {"type": "shell"}}},
        {"id": "x", "tasks": {"a": {}}},
        {"id": "x", "tasks": {"a b": {"type": "shell"}}},
        {"id": "x", "tasks": [{"type": "shell"}]},
        {"id": "x", "tasks": {"a": {"type": "shell", "priority": 12}}},
        {"id": "x", "tasks": {"a": {"type": "shell", "queue": "q"}}},
        {"id": "x", "tasks": {"a": {"type": "http", "parameters": {"url": "x", "port": "eighty"}}}},
        {"id": "x", "tasks": {"a": {"type": "http", "parameters": {"no": 1}}}},
        {"id": "x", "tasks": {"a": {"type": "shell"}}, "schedule": {"cron": "x", "interval": 5}},
    ],
)
def test_refused_documents(data: dict[str, Any]) -> None:
    assert not validator().is_valid(data)


def test_the_schema_of_a_task_type() -> None:
    class Inner(BaseModel):
        deep: int = 1

    class Model(BaseModel):
        """What it takes."""

        count: int = Field(default=1, ge=0, title="Count", description="How many.")
        inner: Inner = Inner()

    made = schema.task_type_schema(Model)
    jsonschema.Draft202012Validator.check_schema(made)
    assert made["properties"]["count"]["title"] == "Count"
    assert jsonschema.Draft202012Validator(made).is_valid({"count": 1, "inner": {"deep": 2}})
    assert not jsonschema.Draft202012Validator(made).is_valid({"count": -1})


def test_every_field_is_described() -> None:
    made = schema.document_schema()
    for name, definition in made["$defs"].items():
        for field, fields in definition.get("properties", {}).items():
            assert fields.get("description"), f"{name}.{field}"
