"""The schema of parameters accepts exactly what the check of parameters accepts."""

from __future__ import annotations

import re
from datetime import date, datetime, time
from typing import Any
from uuid import UUID

import jsonschema
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from workflows.core import formats, params
from workflows.core.durations import parse_duration
from workflows.core.param_formats import FORMATS
from workflows.core.params_schema import json_schema
from workflows.core.spec import ParamSpec

CONTEXT = {"run": {"logical_date": datetime(2025, 1, 31, 2)}, "dag": {"id": "sales"}}
TYPES = ["string", "integer", "number", "boolean", "array", "object", "null"]
TEXTS = [
    "",
    "a",
    "aa",
    "ab",
    "a\n",
    "2025-01-31",
    "2024-02-29",
    "2025-02-29",
    "2025-01-31\n",
    "02:00",
    "10m",
    "P1D",
    "10",
    "x@y.z",
]
numbers = st.one_of(st.integers(-3, 3), st.floats(-3, 3), st.sampled_from([1.0, 0.0, -0.0]))
leaves = st.one_of(st.none(), st.booleans(), numbers, st.sampled_from(TEXTS), st.text(max_size=4))
values = st.recursive(
    leaves,
    lambda inner: st.one_of(st.lists(inner, max_size=2), st.dictionaries(st.sampled_from("ab"), inner, max_size=2)),
    max_leaves=4,
)


@st.composite
def specs(draw: st.DrawFn) -> ParamSpec:
    """A declaration that nothing is wrong with."""
    fields: dict[str, Any] = {"type": draw(st.sampled_from(TYPES))}
    optional = {
        "enum": st.lists(values, min_size=1, max_size=3),
        "minimum": numbers,
        "maximum": numbers,
        "pattern": st.sampled_from(["a", "^a+$", "^$", "b|^a"]),
        "format": st.sampled_from([*FORMATS, "multiline"]),
        "required": st.booleans(),
        "default": values,
    }
    for name, choices in optional.items():
        if draw(st.booleans()):
            fields[name] = draw(choices)
    spec = ParamSpec.model_validate(fields)
    assume(params.declaration_problem(spec) is None)
    assume(not spec.enum or not any(formats.unstorable(choice) for choice in spec.enum))
    return spec


@example(spec=ParamSpec(type="array", enum=([1],)), value=[True])
@example(spec=ParamSpec(type="integer", required=False), value=None)
@example(spec=ParamSpec(type="string", format="date"), value="2025-01-31\n")
@settings(max_examples=300, deadline=None)
@given(spec=specs(), value=values)
def test_schema_and_check_agree(spec: ParamSpec, value: Any) -> None:
    assume(not formats.unstorable(value))
    schema = json_schema({"p": spec}, CONTEXT)
    jsonschema.Draft202012Validator.check_schema(schema)
    _, problems = params.resolve({"p": spec}, {"p": value}, CONTEXT)
    validator = jsonschema.Draft202012Validator(schema)
    assert validator.is_valid({"p": value}) == (not problems), problems
    assert validator.is_valid({}) == (
        not [p for p in params.resolve({"p": spec}, {}, CONTEXT)[1] if p.code == "missing_param"]
    )
    assert not validator.is_valid({"p": value, "q": 1})


@pytest.mark.parametrize("name", sorted(FORMATS))
@given(data=st.data())
def test_a_format_is_what_python_reads(name: str, data: st.DataObject) -> None:
    text = data.draw(st.from_regex(FORMATS[name].pattern))
    read: dict[str, Any] = {
        "date": date.fromisoformat,
        "date-time": datetime.fromisoformat,
        "time": time.fromisoformat,
        "uuid": UUID,
    }
    if FORMATS[name].fits(text):
        read.get(name, str)(text)


@given(st.dates(), st.times(), st.uuids(), st.integers(0, 10**6))
def test_what_python_writes_has_the_format(day: date, hour: time, number: UUID, seconds: int) -> None:
    moment = datetime.combine(day, hour)
    for name, text in {
        "date": day.isoformat(),
        "time": hour.isoformat(),
        "date-time": moment.isoformat(),
        "uuid": str(number),
        "duration": f"{seconds}s",
    }.items():
        assert FORMATS[name].fits(text), (name, text)
    assert FORMATS["date-time"].fits(moment.isoformat(" ", "minutes") + "+02:00")


@given(st.integers(0, 9999), st.integers(0, 13), st.integers(0, 32))
def test_days_that_there_are_not(year: int, month: int, day: int) -> None:
    text = f"{year:04}-{month:02}-{day:02}"
    try:
        date.fromisoformat(text)
    except ValueError:
        assert not FORMATS["date"].fits(text)
    else:
        assert FORMATS["date"].fits(text)


@given(
    st.lists(
        st.sampled_from(["1", "2.5", "ms", "s", "m", "h", "d", "w", " ", "P", "T", "D", "H", "M", "S"]), max_size=8
    )
)
def test_durations_are_those_of_documents(parts: list[str]) -> None:
    text = "".join(parts)
    try:
        parse_duration(text)
    except ValueError:
        assert not FORMATS["duration"].fits(text)
    else:
        assert FORMATS["duration"].fits(text.strip())


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_patterns_are_those_of_javascript_too(name: str) -> None:
    """No syntax of Python alone: such a pattern would not compile in a browser, or mean something else there."""
    assert not re.search(r"\(\?P|\(\?[aiLmsux]|\\A|\\Z|\(\?<[=!]|\(\?\(", FORMATS[name].pattern)


def test_a_schema_for_a_form() -> None:
    schema = json_schema(
        {
            "day": ParamSpec(format="date", default="{{ run.logical_date | date }}", title="Day"),
            "at": ParamSpec(format="date-time", required=False, default=None),
            "odd": ParamSpec(type="integer", default="{{ dag.id }}"),
            "count": ParamSpec(type="integer", minimum=1, default=3, description="How many."),
            "key": ParamSpec(pattern="^[a-z]+$", format="uuid"),
        },
        CONTEXT,
    )
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(schema["properties"]) == schema["x-order"] == ["day", "at", "odd", "count", "key"]
    found = schema["properties"]
    assert (found["day"]["default"], found["day"]["x-default-template"]) == (
        "2025-01-31",
        "{{ run.logical_date | date }}",
    )
    assert (found["day"]["format"], found["day"]["title"]) == ("date", "Day")
    assert (found["at"]["x-format"], "format" in found["at"], found["at"]["type"]) == (
        "date-time",
        False,
        ["string", "null"],
    )
    assert "default" not in found["odd"], "what does not fit is no default"
    assert (found["count"]["default"], found["count"]["description"]) == (3, "How many.")
    assert (found["key"]["pattern"], len(found["key"]["allOf"])) == ("^[a-z]+$", 1)
