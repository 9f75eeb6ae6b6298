from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.core.documents import CATALOGUE, DAILY_SALES, TYPES
from workflows.core import cron, formats, validate
from workflows.core.validate import Catalogue, Limits, check

LIMITS = Limits()


def found(source: Any, catalogue: Catalogue = CATALOGUE, limits: Limits = LIMITS) -> dict[str, list[str]]:
    """path -> codes"""
    result: dict[str, list[str]] = {}
    for problem in check(source, catalogue, limits).problems:
        result.setdefault(problem.path, []).append(problem.code)
    return result


def tasks(**each: Any) -> dict[str, Any]:
    return {"id": "x", "tasks": {name: {"type": "shell", **fields} for name, fields in each.items()}}


def test_the_example_of_the_design_is_valid_and_means_what_it_says() -> None:
    parsed = check(DAILY_SALES, CATALOGUE, LIMITS)
    assert parsed.problems == ()
    assert parsed.spec is not None
    assert parsed.spec.upstreams() == {
        "fetch_orders": (),
        "fetch_stock": (),
        "clean": ("fetch_orders",),
        "enough": ("clean",),
        "publish": ("enough",),
        "warn": ("enough",),
        "report": ("publish", "warn", "fetch_stock"),
    }
    report = parsed.spec.tasks["report"]
    assert report.parameters == {"image": "reports:1.4", "command": "make report"}
    assert (report.timeout, report.retry.max_delay, report.trigger_rule) == (
        600,
        300,
        "none_failed_min_one_success",
    )
    as_json = formats.dump(parsed.data, "json")
    assert check(as_json, CATALOGUE, LIMITS).spec == parsed.spec


FIVE = """\
id: x
tasks:
  a: {type: shell, command: "ls", depends_on: [c]}
  b: {type: shell, command: "ls {{ params. }}", depends_on: [a]}
  c: {type: shell, command: "ls", depends_on: [b, nobody]}
  d: {type: shell, command: "ls", timeout: 5 parsecs, priority: high}
  d: {type: shell, command: "ls"}
"""


@pytest.mark.parametrize("as_json", [False, True])
def test_a_cycle_an_unknown_upstream_a_bad_expression_a_wrong_type_and_a_duplicate_at_once(
    as_json: bool,
) -> None:
    text = FIVE
    if as_json:
        d = '"d": {"type": "shell", "command": "ls", "timeout": "5 parsecs", "priority": "high"}'
        text = formats.dump(formats.read(FIVE).data, "json").rstrip("\n} ") + "},\n" + d + "}}"
    parsed = check(text, CATALOGUE, LIMITS)
    assert parsed.spec is None
    problems = {problem.code: problem for problem in parsed.problems}
    assert set(problems) == {
        "cycle", "unknown_upstream", "bad_expression", "bad_duration", "wrong_type", "duplicate_id",
    }  # fmt: skip
    assert problems["cycle"].message.endswith("a → b → c → a")
    assert problems["cycle"].tasks == ("a", "b", "c")
    assert problems["unknown_upstream"].path == "tasks.c.depends_on[1]"
    assert problems["bad_expression"].path == "tasks.b.command"
    assert all(problem.line for problem in parsed.problems)
    if not as_json:
        lines = {code: problem.line for code, problem in problems.items()}
        assert lines == {"cycle": 3, "bad_expression": 4, "unknown_upstream": 5, "bad_duration": 6,
                         "wrong_type": 6, "duplicate_id": 7}  # fmt: skip


def test_graph_problems_are_placed_where_the_edge_is_written() -> None:
    text = (
        "id: x\ntasks:\n"
        "  a: {type: shell, depends_on: [a, feetch]}\n"
        "  fetch: {type: shell}\n"
        "  c: {type: conditional, condition: 'true', true_task: up, false_task: gone}\n"
        "  up: {type: shell}\n"
        "dependencies:\n  fetch: [nobody]\n  c: up\n"
    )
    problems = {(p.code, p.path, p.line): p for p in check(text, CATALOGUE, LIMITS).problems}
    assert set(problems) == {
        ("self_dependency", "tasks.a.depends_on[0]", 3),
        ("unknown_upstream", "tasks.a.depends_on[1]", 3),
        ("unknown_branch_target", "tasks.c.false_task", 5),
        ("unknown_upstream", "dependencies.fetch[0]", 8),
        ("cycle", "dependencies.c", 9),
    }
    assert "did you mean 'fetch'?" in problems["unknown_upstream", "tasks.a.depends_on[1]", 3].message


def test_independent_cycles_are_all_written_out() -> None:
    document = tasks(a={"depends_on": ["b"]}, b={"depends_on": ["a"]}, c={"depends_on": ["d"]}, d={"depends_on": ["c"]})
    cycles = [p.message for p in check(document, CATALOGUE, LIMITS).problems]
    assert [text.split(": ")[1] for text in cycles] == ["a → b → a", "c → d → c"]


@pytest.mark.parametrize(
    ("task", "path", "code"),
    [
        ({"type": "shel"}, "type", "unknown_type"),
        ({"pool": "oi"}, "pool", "unknown_pool"),
        ({"foreach": "abc"}, "foreach", "bad_foreach"),
        ({"foreach": 3}, "foreach", "bad_foreach"),
        ({"foreach_concurrency": 3}, "foreach_concurrency", "bad_foreach"),
        ({"command": "echo {{ item }}"}, "command", "unknown_name"),
        ({"condition": "1 +"}, "condition", "bad_expression"),
        ({"parameters": {"env": {"A": "{{ x"}}}, "parameters.env.A", "bad_expression"),
        ({"command": "{{ tasks[params.n] }}"}, "command", "bad_expression"),
        ({"command": "{{ parms.n }}"}, "command", "unknown_name"),
        ({"command": "{{ params.m }}"}, "command", "unknown_param"),
        ({"condition": "tasks.gone.output"}, "condition", "unknown_task"),
        ({"command": "{{ tasks.t.output }}"}, "command", "not_upstream"),
        ({"command": "{{ tasks.side.output }}"}, "command", "not_upstream"),
        ({"command": "a", "script": "b"}, "parameters", "bad_value"),
        ({"type": "http"}, "parameters.url", "missing_field"),
        ({"type": "http", "parameters": {"url": "u", "por": 1}}, "parameters.por", "unknown_field"),
        ({"type": "http", "parameters": {"url": "u", "port": "x"}}, "parameters.port", "wrong_type"),
        ({"type": "http", "parameters": {"url": "u", "port": 0}}, "parameters.port", "out_of_range"),
        (
            {"type": "http", "parameters": {"url": "u", "codes": [1, "x"]}},
            "parameters.codes[1]",
            "wrong_type",
        ),
        (
            {"type": "http", "parameters": {"url": "u", "headers": {"a": []}}},
            "parameters.headers.a",
            "wrong_type",
        ),
        ({"type": "subdag", "parameters": {"dag_id": "x"}}, "parameters.dag_id", "subdag_recursion"),
        ({"type": "subdag", "parameters": {"dag_id": "chil"}}, "parameters.dag_id", "unknown_dag"),
        ({"type": "conditional"}, "parameters.condition", "missing_field"),
        ({"type": "switch"}, "parameters.cases", "missing_field"),
        ({"type": "switch", "cases": []}, "cases", "out_of_range"),
        ({"type": "switch", "cases": "{{ params.n }}"}, "cases", "wrong_type"),
        ({"type": "switch", "cases": [{"when": "true"}]}, "cases[0].task", "missing_field"),
        ({"type": "switch", "cases": [{"when": "1 +", "task": "last"}]}, "cases[0].when", "bad_expression"),
        ({"type": "switch", "cases": [{"when": "params.m", "task": "last"}]}, "cases[0].when", "unknown_param"),
        ({"type": "switch", "cases": [{"when": "true", "task": "gone"}]}, "cases[0].task", "unknown_branch_target"),
        (
            {"type": "switch", "cases": [{"when": True, "task": "last"}], "default": "gone"},
            "default",
            "unknown_branch_target",
        ),
    ],
)
def test_one_problem_of_a_task(task: dict[str, Any], path: str, code: str) -> None:
    document = tasks(up={}, side={}, last={}, t={"depends_on": ["up"], **task})
    document["params"] = {"n": {"type": "integer"}}
    assert found(document) == {f"tasks.t.{path}": [code]}


@pytest.mark.parametrize(
    "task",
    [
        {"type": "http", "parameters": {"url": "u", "port": "{{ params.n }}"}},
        {"type": "http", "parameters": {"url": "u", "codes": ["{{ params.n }}", 200]}},
        {"type": "http", "parameters": {"url": "u", "codes": "{{ params.list }}"}},
        {"type": "http", "parameters": {"url": "u", "headers": "{{ params.list }}"}},
        {"type": "sql", "parameters": {"connection": "c", "query": "select '{{ raw }} {%'"}},
        {"type": "subdag", "parameters": {"dag_id": "{{ params.n }}"}},
        {"type": "conditional", "condition": "tasks.far.output > params.n"},
        {"command": "{{ tasks.far.output }} {{ run.id }} {{ task.id }} {{ dag.id }}"},
    ],
)
def test_templates_fit_every_field_and_reach_every_ancestor(task: dict[str, Any]) -> None:
    document = tasks(far={}, up={"depends_on": "far"}, t={"depends_on": ["up"], **task})
    document["params"] = {"n": {"type": "integer"}, "list": {"type": "array"}}
    assert found(document) == {}


def test_the_two_messages_of_a_union_are_one() -> None:
    document = tasks(t={"type": "http", "parameters": {"url": "u", "headers": {"a": []}}})
    (problem,) = check(document, CATALOGUE, LIMITS).problems
    assert problem.message == "must be a whole number or text, not a list"


@pytest.mark.parametrize(
    ("document", "path", "code"),
    [
        ({"id": "a b"}, "id", "bad_id"),
        ({"id": ""}, "id", "bad_id"),
        ({"id": "x\n"}, "id", "bad_id"),
        ({"tasks": {"1a": {"type": "shell"}}}, "tasks.1a", "bad_id"),
        ({"params": {"a-b": {}}}, "params.a-b", "bad_id"),
        ({"params": {"n": {"type": "integer", "default": "x"}}}, "params.n.default", "bad_default"),
        ({"params": {"n": {"default": "{{ tasks.t.output }}"}}}, "params.n.default", "unknown_name"),
        ({"params": {"n": {"default": "{% if 1 %}{% endif %}"}}}, "params.n.default", "bad_expression"),
        ({"params": {"n": {"default": "{{ 1 +"}}}, "params.n.default", "bad_expression"),
        ({"schedule": "0 25 * * *"}, "schedule", "bad_schedule"),
        ({"schedule": {"cron": "@dayly"}}, "schedule.cron", "bad_schedule"),
        ({"schedule": {"interval": "1h", "timezone": "Asia/Shangai"}}, "schedule.timezone", "bad_schedule"),
        ({"schedule": {"interval": 0}}, "schedule.interval", "out_of_range"),
        ({"schedule": {"at": "tomorrow"}}, "schedule.at", "bad_datetime"),
        ({"schedule": {"cron": "@daily", "start": "2025-02-01", "end": "2025-01-01"}}, "schedule.end",
         "bad_schedule"),
        ({"schedule": {}}, "schedule", "bad_schedule"),
        ({"schedule": {"interval": "500ms"}}, "schedule.interval", "out_of_range"),
        ({"schedule": {"cron": "@daily", "after": "x"}}, "schedule", "bad_schedule"),
        ({"schedule": {"after": []}}, "schedule.after", "out_of_range"),
        ({"schedule": {"after": [3]}}, "schedule.after[0]", "wrong_type"),
        ({"schedule": {"after": ["y"], "overlap": "queue"}}, "schedule", "bad_schedule"),
    ],
)  # fmt: skip
def test_one_problem_of_the_document(document: dict[str, Any], path: str, code: str) -> None:
    assert found({**tasks(t={}), **document}) == {path: [code]}


def test_limits() -> None:
    document = tasks(a={}, b={"depends_on": "a"}, c={"depends_on": ["a", "b"]})
    assert found(document, limits=Limits(max_tasks=2)) == {"tasks": ["too_many_tasks"]}
    assert found(document, limits=Limits(max_edges=2)) == {"tasks": ["too_many_edges"]}
    assert found(document, limits=Limits(max_bytes=50)) == {"": ["too_large"]}
    assert found(formats.dump(document, "yaml"), limits=Limits(max_bytes=50)) == {"": ["too_large"]}


def test_pools_and_dags_that_are_not_known_are_not_checked() -> None:
    document = tasks(t={"pool": "any"}, s={"type": "subdag", "parameters": {"dag_id": "any"}})
    assert found(document, Catalogue(types=TYPES)) == {}


@pytest.mark.parametrize("source", ["", "3", "[]", "a: [", b"\xff", "null", '{"a": 1', {"a": {1: 2}}, {}])
def test_checking_never_raises(source: Any) -> None:
    parsed = check(source, CATALOGUE, LIMITS)
    assert parsed.spec is None
    assert parsed.problems


@given(st.text(max_size=80))
@settings(max_examples=60)
def test_checking_garbage_never_raises(source: str) -> None:
    check("id: x\ntasks:\n  a:\n    type: shell\n    command: " + source, CATALOGUE, LIMITS)


def _large(count: int) -> dict[str, Any]:
    each = {
        f"t{i}": {
            "type": "shell",
            "command": f"echo {{{{ tasks.t{i - 1}.output }}}} {i}" if i else "echo",
            "depends_on": [f"t{up}" for up in (i - 1, i - 2) if up >= 0],
        }
        for i in range(count)
    }
    return {"id": "x", "defaults": {"timeout": "10m", "retry": {"max_attempts": 3}}, "tasks": each}


def test_time_grows_with_the_document_and_no_faster() -> None:
    """CPU time, so that other work on the machine does not count; a quadratic step would take minutes."""
    started = time.process_time()
    assert check(_large(3_000), CATALOGUE, LIMITS).problems == ()
    assert time.process_time() - started < 2


def test_many_mistakes_in_a_large_document_do_not_make_it_slow() -> None:
    document = _large(2_000)
    document["tasks"]["t0"]["depends_on"] = ["t1999"]
    for i in range(1, 2_000):
        document["tasks"][f"t{i}"]["depends_on"].append(f"gone{i}")
        document["tasks"][f"t{i}"]["command"] = "{{ tasks.t" + str(i // 2) + ".output }}"
    started = time.process_time()
    assert len(check(document, CATALOGUE, LIMITS).problems) >= 2_000
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("line", "fine"),
    [
        ("0 2 * * *", True), ("*/5 1-3,5 ? JAN-mar mon-fri", True), ("@daily", True), ("30 0 2 * * *", True),
        ("5/15 * * * 7", True), ("0 0 31 4,5 *", True), ("0 0 30 2 fri", True), ("0 0 30 2 *", False),
        ("60 * * * *", False), ("*/0 * * * *", False), ("5-1 * * * *", False), ("a b c d e", False),
        ("* * *", False), ("@never", False), ("0 0 L * *", False), ("1,,2 * * * *", False), ("", False),
    ],
)  # fmt: skip
def test_cron_lines(line: str, fine: bool) -> None:
    assert (cron.problem(line) is None) == fine


@given(st.text("0123456789*/-,? @LWmon", max_size=30))
def test_no_cron_line_raises(line: str) -> None:
    cron.problem(line)


def test_problems_alone_take_a_draft() -> None:
    draft = check(FIVE, CATALOGUE, LIMITS).draft
    assert draft is not None
    assert {p.code for p in validate.problems(draft, CATALOGUE, LIMITS)} == {
        "cycle",
        "unknown_upstream",
        "bad_expression",
    }
