from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import BaseModel

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
    assert registry.disagreement(operator) is None


def test_a_type_whose_flags_and_model_disagree_is_refused():
    odd = replace(registry.TYPES["sql"], name="odd", raw_fields=frozenset({"query"}))
    assert registry.disagreement(odd) == "raw_fields and the marks x-template of its parameters disagree on script"
    odd = replace(registry.TYPES["shell"], name="odd", quote_fields=frozenset())
    assert "quote_fields" in registry.disagreement(odd)


def properties(model: type[BaseModel]) -> dict[str, dict[str, object]]:
    found: dict[str, dict[str, object]] = model.model_json_schema()["properties"]
    return found
