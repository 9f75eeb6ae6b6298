from __future__ import annotations

import pytest
from pydantic import BaseModel

from workflows.core.complaints import NEVER_RENDERED, model_in
from workflows.core.outcome import Done
from workflows.operators import registry
from workflows.operators.base import OperatorType, Parameters

EXTRA = OperatorType(
    name="extra", title="Extra", description="d", icon="star", parameters=Parameters, run=lambda ctx: Done()
)
TAKEN = OperatorType(
    name="shell", title="Extra", description="d", icon="star", parameters=Parameters, run=lambda ctx: Done()
)
NOT_ONE = 3


def test_an_unknown_type_names_the_known_ones():
    with pytest.raises(registry.UnknownTaskType, match=r"no task type 'nope'; known are approval, celery, conditional"):
        registry.get("nope")


def test_a_setting_adds_types(configure):
    configure(OPERATORS=["tests.unit.operators.test_registry:EXTRA"])
    assert registry.get("extra").title == "Extra"
    assert registry.catalogue_types()["extra"] is Parameters


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("nonsense", "write it as"),
        ("no.such.module:X", "No module named"),
        ("tests.unit.operators.test_registry:MISSING", "MISSING"),
        ("tests.unit.operators.test_registry:NOT_ONE", "not an OperatorType"),
        ("tests.unit.operators.test_registry:TAKEN", "is taken"),
    ],
)
def test_a_bad_setting_says_what_is_wrong(configure, entry, problem):
    configure(OPERATORS=[entry])
    with pytest.raises(registry.BadOperatorSetting, match=problem):
        registry.types()


@pytest.mark.parametrize("operator", registry.TYPES.values(), ids=lambda operator: operator.name)
def test_every_type_describes_itself_for_forms(operator):
    assert registry.TYPES[operator.name] is operator
    assert operator.title
    assert operator.description.endswith(".")
    for name, field in properties(operator.parameters).items():
        assert field.get("title"), name
        assert field.get("description"), name


@pytest.mark.parametrize("operator", registry.TYPES.values(), ids=lambda operator: operator.name)
def test_models_and_flags_say_the_same_of_templates(operator):
    marks = {name: field.get("x-template") for name, field in properties(operator.parameters).items()}
    for name, field in operator.parameters.model_fields.items():
        inner = model_in(field.annotation) if marks.get(name) is None else None
        for part, words in properties(inner).items() if inner is not None else ():
            if words.get("x-template"):
                marks[f"{name}.{part}"] = words["x-template"]
    assert {name for name, mark in marks.items() if mark == "quoted"} == operator.quote_fields
    assert {name for name, mark in marks.items() if mark in NEVER_RENDERED} == operator.raw_fields
    assert {name for name, mark in marks.items() if mark == "expression"} == operator.evaluates


def properties(model: type[BaseModel]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = model.model_json_schema()["properties"]
    return found
