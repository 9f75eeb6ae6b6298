"""How commands write: tables, durations, harmless logs, plans."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management.base import CommandError

from workflows.core.compiler import Bounds, compile_plan
from workflows.core.parse import parse
from workflows.core.plan import Plan
from workflows.management import log_view, plan_view, text
from workflows.management.commands.dag_run import moment_of

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)


def test_a_table_is_as_wide_as_its_cells() -> None:
    lines = text.table(["task", "state"], [["清洗数据", "success"], ["b", "failed"]])
    assert lines == ["task      state", "清洗数据  success", "b         failed"]
    assert {text.cells(line.rpartition(" ")[0]) for line in lines[1:2]} == {9}


def test_a_table_is_cut_at_the_edge_of_the_terminal() -> None:
    lines = text.table(["a", "b"], [["one", "x" * 100]], width=20)
    assert [text.cells(line) for line in lines] == [6, 20]
    assert lines[1].endswith("…")


@pytest.mark.parametrize(
    ("length", "shown"),
    [(0.123, "0.12 s"), (9.99, "9.99 s"), (45.25, "45.2 s"), (65, "1 m 05 s"), (3_700, "1 h 01 m"), (-1, "0.00 s")],
)
def test_durations(length: float, shown: str) -> None:
    assert text.seconds(NOON, NOON + timedelta(seconds=length)) == shown


def test_no_duration_without_both_ends() -> None:
    assert text.seconds(None, NOON) == ""
    assert text.seconds(NOON, None) == ""


def test_one_line_has_no_line_ends_and_moves_no_cursor() -> None:
    assert text.one_line("a\n  b\x1b[2J\tc\x00") == "a b [2J c"


def test_counting() -> None:
    assert [text.counted(number, "task") for number in (0, 1, 1234)] == ["0 tasks", "1 task", "1,234 tasks"]


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("plain\ttext\r\n", "plain\ttext\r\n"),
        ("\x1b[31mred\x1b[0m", "\x1b[31mred\x1b[0m"),
        ("\x1b]0;title\x07", "�]0;title�"),
        ("\x1b[2Jcleared", "�[2Jcleared"),
        ("\x9b5n", "�5n"),
    ],
)
def test_a_log_does_nothing_to_a_terminal_but_colour_it(written: str, shown: str) -> None:
    assert log_view.harmless(written) == shown


def test_logical_dates() -> None:
    assert moment_of(None) is None
    assert moment_of("2025-01-31") == datetime(2025, 1, 31, tzinfo=UTC)
    assert moment_of("2025-01-31T02:00+08:00") == datetime(2025, 1, 30, 18, tzinfo=UTC)
    with pytest.raises(CommandError, match="write it as 2025-01-31"):
        moment_of("yesterday")


def plan_of(upstream: dict[str, list[str]]) -> Plan:
    """The plan of no-op tasks with these edges."""
    tasks = {name: {"type": "shell", "command": "true", "depends_on": ups} for name, ups in upstream.items()}
    spec = parse({"id": "d", "tasks": tasks}).spec
    assert spec is not None
    return compile_plan(spec, Bounds())


def test_a_plan_is_told_with_its_canvases() -> None:
    plan = plan_of({"a": [], "b": ["a"], "c": ["a"], "c2": ["c"], "d": ["b", "c2"], "e": ["d"]})
    lines = plan_view.lines(plan)
    assert lines[0] == "d: 6 tasks, 6 edges, 5 levels"
    assert lines[1] == "critical path (5 tasks): a > c > c2 > d > e"
    assert any(line.endswith("chord([b, c > c2]) > d") for line in lines), lines
    known = plan_view.data(plan)
    assert {queue for segment in known["segments"] for queue in segment["queues"]} == {"celeriac"}
    assert known["largest_message"] == max(segment["bytes"] for segment in known["segments"])


def test_a_huge_plan_is_told_in_short() -> None:
    wide = plan_of({"begin": [], **{f"w{n}": ["begin"] for n in range(500)}, "end": [f"w{n}" for n in range(500)]})
    lines = plan_view.lines(wide)
    assert len(lines) < 80
    assert any("w0, w1, w2, w3, w4, w5, …, w499 (500 tasks)" in line for line in lines)
    assert lines[-1] == "  … and 442 more"
    deep = plan_of({f"n{n}": [f"n{n - 1}"] if n else [] for n in range(1000)})
    assert "  … 960 levels …" in plan_view.lines(deep)
    assert max(map(len, plan_view.lines(deep))) <= 400
