from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core import formats
from workflows.core.durations import format_duration, parse_bytes, parse_cpu, parse_duration
from workflows.core.errors import Problem
from workflows.core.parse import Parsed, parse
from workflows.core.spec import DagSpec


def read(text: str) -> Parsed:
    loaded = formats.load(text)
    return parse(loaded.data, lines=loaded.lines)


def spec_of(data: Any) -> DagSpec:
    parsed = parse(data)
    assert parsed.spec is not None, parsed.problems
    return parsed.spec


def places(problems: tuple[Problem, ...]) -> set[tuple[str, str, int | None]]:
    return {(problem.code, problem.path, problem.line) for problem in problems}


def test_a_minimal_document() -> None:
    spec = spec_of({"id": "x", "tasks": {"a": {"type": "shell", "command": "ls"}}})
    assert spec.tasks["a"].parameters == {"command": "ls"}
    assert (spec.tasks["a"].pool, spec.tasks["a"].priority, spec.config.tags) == ("default", 5, ())
    assert DagSpec.model_validate(json.loads(spec.model_dump_json())) == spec


def test_defaults_fill_in_what_a_task_lacks() -> None:
    spec = spec_of(
        {
            "id": "x",
            "defaults": {
                "timeout": "10m",
                "retry": {"max_attempts": 3, "delay": "10s"},
                "resources": {"cpu": "500m"},
                "pool": "io",
            },
            "tasks": {
                "a": {"type": "shell"},
                "b": {
                    "type": "shell",
                    "timeout": None,
                    "retry": {"delay": 1},
                    "resources": {"memory": "1Gi"},
                    "pool": "p",
                },
            },
        }
    )
    a, b = spec.tasks["a"], spec.tasks["b"]
    assert (a.timeout, a.retry.max_attempts, a.retry.delay, a.pool) == (600, 3, 10, "io")
    assert (b.timeout, b.retry.max_attempts, b.retry.delay, b.pool) == (None, 3, 1, "p")
    assert (b.resources.cpu, b.resources.memory) == (0.5, 2**30)


def test_edges_come_from_three_places_in_order_and_once() -> None:
    spec = spec_of(
        {
            "id": "x",
            "tasks": {
                "a": {"type": "shell"},
                "b": {"type": "shell", "depends_on": "a"},
                "c": {"type": "shell", "depends_on": ["b", "a", "b"]},
                "choose": {"type": "conditional", "condition": "{{ params.x > 1 }}", "true_task": "c"},
            },
            "dependencies": {"c": ["a", "choose"], "choose": "b", "a": None},
        }
    )
    assert spec.upstreams() == {"a": (), "b": ("a",), "c": ("b", "a", "choose"), "choose": ("b",)}
    choose = spec.tasks["choose"]
    assert choose.parameters == {"condition": "params.x > 1", "true_task": "c"}
    assert choose.condition is None
    assert choose.branches == ("c",)


def test_a_switch_is_upstream_of_every_task_that_it_names_once() -> None:
    cases = [
        {"when": "{{ params.x > 1 }}", "task": "a"},
        {"when": "params.x", "task": "b"},
        {"when": True, "task": "a"},
    ]
    spec = spec_of(
        {
            "id": "x",
            "tasks": {
                "a": {"type": "shell"},
                "b": {"type": "shell", "depends_on": "a"},
                "c": {"type": "shell"},
                "pick": {"type": "switch", "cases": cases, "default": "c"},
            },
        }
    )
    assert spec.upstreams() == {"a": ("pick",), "b": ("a", "pick"), "c": ("pick",), "pick": ()}
    pick = spec.tasks["pick"]
    assert pick.parameters["cases"][0]["when"] == "params.x > 1"
    assert pick.branches == ("a", "b", "c")
    assert [place for place, _ in pick.choices] == [("cases", at, "task") for at in range(3)] + [("default",)]


def test_tasks_may_be_a_list() -> None:
    parsed = read(
        "id: x\ntasks:\n"
        "  - {id: a, type: shell, timeout: soon}\n"
        "  - {id: b, type: shell}\n"
        "  - {id: a, type: sql}\n"
        "  - {type: sql}\n"
    )
    assert places(parsed.problems) == {
        ("bad_duration", "tasks.a.timeout", 3),
        ("duplicate_id", "tasks[2].id", 5),
        ("missing_field", "tasks[3].id", 6),
    }
    assert parsed.draft is not None
    assert list(parsed.draft.tasks) == ["a", "b"]
    both = [
        {"id": "x", "tasks": [{"id": "a", "type": "shell"}]},
        {"id": "x", "tasks": {"a": {"type": "shell"}}},
    ]
    assert spec_of(both[0]) == spec_of(both[1])


BROKEN = """\
id: x
nam: y
params: {n: {type: int}}
schedule: {cron: x, interval: 5m}
config: {timeout: soon, owner: 3, max_active_runs: 0}
defaults: {timeout: 10x, retry: {dely: 3}, pol: x, trigger_rule: all_success}
tasks:
  a: {type: shell, timeout: [1], priority: high, depends_on: {b: 1}}
  b: {tpe: shell, parameters: {command: x}, command: y, depends_on: [a, 3]}
  c: {type: shell, trigger_rule: all_sucess, queue: q, upstream: [a]}
  d: 3
  e: {type: shell, resources: {memory: 12Q, cpu: x}, retry: {max_attempts: 0, backoff: .5}, id: f}
  f: {type: shell, true_task: a, allow_failure: yes, at_most_once: 1, priority: 12}
dependencies: {g: a, c: 4}
"""


def test_every_problem_of_the_structure_is_found_at_once() -> None:
    parsed = read(BROKEN)
    assert parsed.spec is None
    assert places(parsed.problems) == {
        ("unknown_field", "nam", 2),
        ("bad_value", "params.n.type", 3),
        ("bad_schedule", "schedule", 4),
        ("bad_duration", "config.timeout", 5),
        ("wrong_type", "config.owner", 5),
        ("out_of_range", "config.max_active_runs", 5),
        ("bad_duration", "defaults.timeout", 6),
        ("unknown_field", "defaults.retry.dely", 6),
        ("unknown_field", "defaults.pol", 6),
        ("bad_duration", "tasks.a.timeout", 8),
        ("wrong_type", "tasks.a.priority", 8),
        ("wrong_type", "tasks.a.depends_on", 8),
        ("missing_field", "tasks.b.type", 9),
        ("unknown_field", "tasks.b.tpe", 9),
        ("conflict", "tasks.b.command", 9),
        ("wrong_type", "tasks.b.depends_on[1]", 9),
        ("unknown_trigger_rule", "tasks.c.trigger_rule", 10),
        ("unknown_field", "tasks.c.queue", 10),
        ("unknown_field", "tasks.c.upstream", 10),
        ("wrong_type", "tasks.d", 11),
        ("bad_quantity", "tasks.e.resources.memory", 12),
        ("bad_quantity", "tasks.e.resources.cpu", 12),
        ("out_of_range", "tasks.e.retry.max_attempts", 12),
        ("out_of_range", "tasks.e.retry.backoff", 12),
        ("conflict", "tasks.e.id", 12),
        ("unknown_field", "tasks.f.true_task", 13),
        ("wrong_type", "tasks.f.allow_failure", 13),
        ("wrong_type", "tasks.f.at_most_once", 13),
        ("out_of_range", "tasks.f.priority", 13),
        ("unknown_task", "dependencies.g", 14),
        ("wrong_type", "dependencies.c", 14),
    }
    hints = {problem.path: problem.message for problem in parsed.problems}
    assert "did you mean 'all_success'" in hints["tasks.c.trigger_rule"]
    assert "did you mean 'type'" in hints["tasks.b.tpe"]
    assert "did you mean 'depends_on'" in hints["tasks.c.upstream"]
    assert "pool" in hints["tasks.c.queue"]
    assert "did you mean 'delay'" in hints["defaults.retry.dely"]
    assert parsed.draft is not None
    assert parsed.draft.tasks["b"].depends_on == ("a",)
    assert parsed.draft.tasks["e"].id == "e"


@pytest.mark.parametrize("data", [None, 3, [], "x", {}, {"id": 3}, {"tasks": "x", "params": [], "defaults": 3}])
def test_other_shapes_are_problems(data: Any) -> None:
    parsed = parse(data)
    assert parsed.spec is None
    assert all(problem.code in ("wrong_type", "missing_field") for problem in parsed.problems)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
FIELDS = [
    "id",
    "type",
    "depends_on",
    "parameters",
    "retry",
    "timeout",
    "resources",
    "condition",
    "foreach",
    "command",
]
TOP = ["id", "name", "version", "params", "schedule", "config", "defaults", "dependencies"]
TASK = st.dictionaries(st.sampled_from(FIELDS), JSON | st.sampled_from(["conditional", "switch"]), max_size=4)


TASKS = JSON | st.dictionaries(st.sampled_from("ab"), TASK) | st.lists(TASK, max_size=2)


@given(st.fixed_dictionaries({}, optional={**dict.fromkeys(TOP, JSON), "tasks": TASKS}))
@settings(max_examples=100)
def test_parsing_never_raises(data: Any) -> None:
    parsed = parse(data)
    assert (parsed.spec is None) == bool(parsed.problems)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(90, 90), (0.5, 0.5), ("90", 90), ("90s", 90), ("1h30m", 5400), ("1h 30m", 5400), ("2d", 172_800),
     ("1w", 604_800), ("500ms", 0.5), ("1.5h", 5400), ("PT10M", 600), ("P1DT1H", 90_000), ("P2W", 1_209_600),
     ("PT0.5S", 0.5)],
)  # fmt: skip
def test_durations(text: object, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", -1, True, None, [], "1y", "P1Y", "P", "PT", "P1M", "-5s", "5 parsecs", "9" * 70,
             "1h30", float("inf"), float("nan"), "9" * 50 + "d", "١s"]
)  # fmt: skip
def test_bad_durations(text: object) -> None:
    with pytest.raises(ValueError, match=r"duration|negative|finite|century"):
        parse_duration(text)


@given(st.integers(0, 10**9))
def test_written_durations_read_back(milliseconds: int) -> None:
    assert parse_duration(format_duration(milliseconds / 1000)) == pytest.approx(milliseconds / 1000)


def test_quantities() -> None:
    assert [parse_bytes(v) for v in (1, "512", "1Ki", "512Mi", "1.5GiB", "1k", "2MB")] == [
        1, 512, 1024, 2**29, 3 * 2**29, 1000, 2_000_000,
    ]  # fmt: skip
    assert [parse_cpu(v) for v in (2, 0.5, "500m", "1.5")] == [2, 0.5, 0.5, 1.5]
    for bad in ("12Q", "", -1, True, "1e9", "9" * 40):
        with pytest.raises(ValueError, match=r"bytes|negative|large"):
            parse_bytes(bad)
