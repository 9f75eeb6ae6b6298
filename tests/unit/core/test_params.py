from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from workflows.core import params
from workflows.core.params_schema import json_schema
from workflows.core.spec import ParamSpec

CONTEXT = {"run": {"logical_date": "2025-01-31T02:00:00"}, "dag": {"id": "sales"}}


def spec(**fields: Any) -> ParamSpec:
    return ParamSpec.model_validate(fields)


def resolve(specs: dict[str, ParamSpec], **given: Any) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    values, problems = params.resolve(specs, given, CONTEXT)
    return values, [(problem.path, problem.code) for problem in problems]


def test_defaults_are_rendered_and_given_values_are_not() -> None:
    specs = {
        "day": spec(format="date", default="{{ run.logical_date | date }}"),
        "where": spec(type="object", default={"dag": "{{ dag.id }}", "n": 1}),
        "text": spec(default="x"),
        "maybe": spec(required=False),
    }
    assert resolve(specs, text="{{ 1 + 1 }}") == (
        {"day": "2025-01-31", "where": {"dag": "sales", "n": 1}, "text": "{{ 1 + 1 }}", "maybe": None},
        [],
    )
    assert resolve(specs, maybe=None)[1] == []


def test_every_problem_is_reported_and_the_rest_resolved() -> None:
    specs = {
        "needed": spec(),
        "n": spec(type="integer", minimum=1),
        "e": spec(enum=["a", "b"], default="a"),
        "late": spec(default="{{ run.nothing }}"),
        "fine": spec(default=1, type="integer"),
    }
    values, problems = resolve(specs, n=0, e="c", nedeed="x")
    assert values == {"fine": 1}
    assert problems == [
        ("params.nedeed", "unknown_param"),
        ("params.needed", "missing_param"),
        ("params.n", "out_of_range"),
        ("params.e", "bad_value"),
        ("params.late", "bad_default"),
    ]
    messages = [problem.message for problem in params.resolve(specs, {"nedeed": 1}, CONTEXT)[1]]
    assert "did you mean 'needed'?" in messages[0]


@pytest.mark.parametrize(
    ("fields", "value", "code"),
    [
        ({"type": "integer"}, 3, None),
        ({"type": "integer"}, 3.0, None),
        ({"type": "integer"}, 3.5, "wrong_type"),
        ({"type": "integer"}, True, "wrong_type"),
        ({"type": "integer"}, "3", "wrong_type"),
        ({"type": "number"}, 3, None),
        ({"type": "number", "maximum": 2.5}, 3, "out_of_range"),
        ({"type": "number"}, float("nan"), "not_finite"),
        ({"type": "boolean"}, 1, "wrong_type"),
        ({"type": "boolean"}, False, None),
        ({"type": "array"}, [1], None),
        ({"type": "array"}, "[1]", "wrong_type"),
        ({"type": "object"}, {"a": {1: 2}}, "bad_key"),
        ({"type": "null"}, None, None),
        ({"type": "string"}, None, "wrong_type"),
        ({"type": "string"}, "a\0b", "bad_character"),
        ({"format": "date"}, "2025-02-30", "bad_format"),
        ({"format": "date"}, "2025-02-28", None),
        ({"format": "date-time"}, "2025-02-28", "bad_format"),
        ({"format": "date-time"}, "2025-02-28T01:02:03+02:00", None),
        ({"format": "time"}, "25:00", "bad_format"),
        ({"format": "duration"}, "1h30m", None),
        ({"format": "duration"}, "soon", "bad_format"),
        ({"format": "email"}, "a@b.example", None),
        ({"format": "email"}, "a@b", "bad_format"),
        ({"format": "uri"}, "https://x.example", None),
        ({"format": "uri"}, "no uri", "bad_format"),
        ({"format": "uuid"}, "12345678-1234-5678-1234-567812345678", None),
        ({"format": "uuid"}, "1234", "bad_format"),
        ({"pattern": "^a+$"}, "aaa", None),
        ({"pattern": "^a+$"}, "ab", "bad_format"),
        ({"pattern": "^a+$"}, "a" * 20_000, "out_of_range"),
        ({"enum": [1, 2], "type": "integer"}, 3, "bad_value"),
    ],
)
def test_values_are_held_to_their_declaration(fields: dict[str, Any], value: Any, code: str | None) -> None:
    _, problems = resolve({"p": spec(**fields)}, p=value)
    assert problems == ([("params.p", code)] if code else [])


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        ("integer", "3", 3),
        ("integer", "x", "x"),
        ("integer", "3.5", "3.5"),
        ("number", "3.5", 3.5),
        ("number", "NaN", "NaN"),
        ("boolean", "Yes", True),
        ("boolean", "false", False),
        ("boolean", "maybe", "maybe"),
        ("string", "3", "3"),
        ("array", "[1, 2]", [1, 2]),
        ("array", "1", "1"),
        ("object", '{"a": 1}', {"a": 1}),
        ("null", "null", None),
    ],
)
def test_texts_of_a_command_line_become_values(kind: str, text: str, value: Any) -> None:
    result = params.coerce_text(spec(type=kind), text)
    assert result == value
    assert type(result) is type(value)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": "integer", "default": "x"}, "bad_default"),
        ({"type": "integer", "default": "{{ run.id }}"}, None),
        ({"pattern": "("}, "bad_pattern"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "out_of_range"),
        ({"type": "integer", "enum": [1, "2"]}, "wrong_type"),
        ({"enum": ["a"], "default": "b"}, "bad_default"),
    ],
)
def test_declarations_are_checked_themselves(fields: dict[str, Any], code: str | None) -> None:
    found = params.declaration_problem(spec(**fields))
    assert (found[0] if found else None) == code


def test_the_schema_of_the_parameters_agrees_with_the_check() -> None:
    specs = {
        "n": spec(type="integer", minimum=1, title="Count"),
        "e": spec(enum=["a", "b"], default="a"),
        "maybe": spec(required=False),
        "day": spec(default="{{ run.logical_date | date }}"),
    }
    schema = json_schema(specs)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["required"] == ["n"]
    assert "default" not in schema["properties"]["day"]
    for given in ({"n": 1}, {"n": 0}, {}, {"n": 1, "e": "c"}, {"n": 1, "maybe": None}, {"n": 1, "x": 1}):
        valid = jsonschema.Draft202012Validator(schema).is_valid(given)
        assert valid == (not resolve(specs, **given)[1])
