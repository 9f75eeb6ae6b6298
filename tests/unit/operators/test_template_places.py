"""Where a value of a template may stand in the parameters of the task types that there are."""

from __future__ import annotations

import pytest

from workflows.core.insertion import Place
from workflows.core.template_places import place_of
from workflows.operators import registry


@pytest.mark.parametrize(
    ("kind", "path", "place"),
    [
        ("shell", "command", Place.QUOTED),
        ("shell", "parameters.script", Place.QUOTED),
        ("shell", "parameters.env.DAY", Place.RENDERED),
        ("shell", "timeout", Place.FIELD),
        ("shell", "retry.max_attempts", Place.FIELD),
        ("shell", "name", Place.FREE),
        ("shell", "condition", Place.EXPRESSION),
        ("shell", "foreach", Place.ITEMS),
        ("shell", "foreach.0", Place.RENDERED),
        ("shell", "depends_on.0", Place.STRUCTURE),
        ("shell", "type", Place.STRUCTURE),
        ("shell", "trigger_rule", Place.STRUCTURE),
        ("python", "script", Place.CODE),
        ("python", "parameters.kwargs.a", Place.RENDERED),
        ("sql", "parameters.query", Place.CODE),
        ("sql", "parameters.script", Place.CODE),
        ("sql", "parameters.bind.day", Place.RENDERED),
        ("http", "parameters.url", Place.RENDERED),
        ("http", "parameters.json.a", Place.RENDERED),
        ("celery", "parameters.kwargs.a", Place.RENDERED),
        ("subdag", "parameters.params.a", Place.RENDERED),
        ("conditional", "condition", Place.EXPRESSION),
        ("conditional", "parameters.condition", Place.EXPRESSION),
        ("conditional", "true_task", Place.STRUCTURE),
        ("conditional", "parameters.false_task", Place.STRUCTURE),
        ("switch", "cases.0.when", Place.EXPRESSION),
        ("switch", "parameters.cases.0.task", Place.STRUCTURE),
        ("switch", "default", Place.STRUCTURE),
        ("wait", "parameters.sql.query", Place.CODE),
        ("wait", "parameters.sql.bind.day", Place.RENDERED),
        ("wait", "parameters.expect", Place.EXPRESSION),
        ("wait", "parameters.for", Place.RENDERED),
        ("wait", "parameters.http.json.a", Place.RENDERED),
        ("approval", "parameters.prompt", Place.RENDERED),
        ("approval", "parameters.on_reject", Place.STRUCTURE),
        ("nothing", "parameters.a", Place.RENDERED),
    ],
)
def test_the_place_of_a_text(kind: str, path: str, place: Place) -> None:
    document = {"tasks": {"a": {"type": kind}}}
    parts = tuple(int(part) if part.isdigit() else part for part in path.split("."))
    types = registry.catalogue_types()
    assert place_of(("tasks", "a", *parts), document, types) is place
    assert place_of(("tasks", 0, *parts), {"tasks": [{"id": "a", "type": kind}]}, types) is place


def test_fields_that_nobody_knows_may_hold_no_braces() -> None:
    assert place_of(("brand_new", "field"), {}, {}) is Place.FIELD
    assert place_of(("schedule", "cron"), {}, {}) is Place.FIELD
    assert place_of(("params", "day", "default", "a"), {}, {}) is Place.RENDERED
    assert place_of(("params", "day", "title"), {}, {}) is Place.FREE
