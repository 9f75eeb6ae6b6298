from __future__ import annotations

from typing import Any

import pytest

from workflows.core import expressions
from workflows.core.errors import RenderError

CONTEXT: dict[str, Any] = {
    "params": {"n": 3, "name": "", "flag": "false", "list": []},
    "tasks": {"clean": {"state": "success", "output": {"rows": 120}}},
}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("tasks.clean.output.rows > 100", True),
        ("tasks.clean.output.rows > 100 and params.n == 4", False),
        ("{{ params.n == 3 }}", True),
        ("  {{params.n in [1, 2]}} ", False),
        ("params.name", False),
        ("params.list", False),
        ("params.flag", False),
        ("'TRUE'", True),
        ("none", False),
        ("params.missing is defined", False),
        ("{'a': 1}['a'] == 1", True),
    ],
)
def test_conditions(condition: str, expected: bool) -> None:
    assert expressions.syntax_problem(condition) is None
    assert expressions.evaluate(condition, CONTEXT) is expected


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        ("", "is empty"),
        ("{{ }}", "is empty"),
        ("params.n >", "unexpected"),
        ("params.n }} {{ params.n", "one expression"),
        ("true }}{% include 'x' %}{{ true", "not available"),
        ("true }} or more", "one expression"),
        ("x" * 10_001, "longer than"),
        ("params.n | nofilter", "no filter 'nofilter'"),
        ("params.n is nosuch", "nosuch"),
    ],
)
def test_bad_conditions_are_named_before_they_run(condition: str, words: str) -> None:
    assert words in (expressions.syntax_problem(condition) or "")
    with pytest.raises(RenderError):
        expressions.evaluate(condition, CONTEXT)


def test_what_is_missing_is_named_in_full() -> None:
    with pytest.raises(RenderError, match=r"tasks\.clean\.output\.lines is not defined"):
        expressions.evaluate("tasks.clean.output.lines > 3", CONTEXT)


def test_values_that_cannot_be_compared_are_an_error() -> None:
    with pytest.raises(RenderError, match="not supported between"):
        expressions.evaluate("params.n > 'x'", CONTEXT)


def test_a_condition_says_what_it_refers_to() -> None:
    analysis = expressions.analyse("tasks.clean.output.rows > params.limit and tasks['b-c'].state == 'success'")
    assert (analysis.tasks, analysis.params) == ({"clean", "b-c"}, {"limit"})
