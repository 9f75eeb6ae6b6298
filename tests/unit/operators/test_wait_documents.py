"""What validation says of waits and approvals in a document, with the real parameters models."""

from __future__ import annotations

from typing import Any

import pytest

from workflows.core.validate import Catalogue, Limits, check
from workflows.operators import registry


def problems(task: dict[str, Any]) -> dict[str, list[str]]:
    document = {"id": "x", "params": {"n": {"type": "integer"}}, "tasks": {"t": task}}
    found: dict[str, list[str]] = {}
    for problem in check(document, Catalogue(types=registry.catalogue_types()), Limits()).problems:
        found.setdefault(problem.path.removeprefix("tasks.t.parameters."), []).append(problem.code)
    return found


@pytest.mark.parametrize(
    "parameters",
    [
        {"for": "{{ params.n }}"},
        {"until": "{{ run.logical_date }}", "timezone": "Europe/Berlin"},
        {"http": {"url": "https://x/{{ params.n }}"}, "expect": "answer.json.n > params.n"},
        {"sql": {"connection": "d", "query": "select '{{1,2}}'::int[] = :n", "bind": {"n": "{{ params.n }}"}}},
    ],
)
def test_right_waits(parameters: dict[str, Any]) -> None:
    assert problems({"type": "wait", "parameters": parameters}) == {}


@pytest.mark.parametrize(
    ("parameters", "path", "code"),
    [
        ({"for": "soon"}, "for", "bad_duration"),
        ({"until": "soon"}, "until", "bad_datetime"),
        ({"http": {"url": "https://x/{{ params.m }}"}}, "http.url", "unknown_param"),
        ({"http": {"url": "https://x"}, "expect": "reply.status"}, "expect", "unknown_name"),
        ({"http": {"url": "https://x"}, "expect": "answer.("}, "expect", "bad_expression"),
        ({"http": {"url": "https://x"}, "on_timeout": "{{ params.n }}"}, "on_timeout", "bad_value"),
        ({"http": {"url": "https://x"}, "every": 0}, "every", "out_of_range"),
        ({"sql": {"connection": "d"}}, "sql.query", "missing_field"),
        ({"sql": {"connection": "d", "query": "x", "bind": {"a": "{{ params.m }}"}}}, "sql.bind.a", "unknown_param"),
        ({"for": 1, "until": "2026-01-01"}, "tasks.t.parameters", "bad_value"),
    ],
)
def test_one_problem_of_a_wait(parameters: dict[str, Any], path: str, code: str) -> None:
    assert problems({"type": "wait", "parameters": parameters}) == {path: [code]}


def test_a_wait_that_could_only_time_out_is_a_problem() -> None:
    assert problems({"type": "wait", "parameters": {"for": "1h"}, "timeout": "5m"}) == {"for": ["out_of_range"]}
    assert problems({"type": "wait", "parameters": {"for": "5m"}, "timeout": "5m"}) == {}


def test_an_approval_says_what_follows_in_the_document() -> None:
    assert problems({"type": "approval", "parameters": {"prompt": "{{ params.n }}?", "users": ["ada"]}}) == {}
    assert problems({"type": "approval", "parameters": {"on_reject": "{{ params.n }}"}}) == {"on_reject": ["bad_value"]}
