"""The table of moves is the same in the code, in the database's guards and in docs/states.md."""

from __future__ import annotations

import importlib
import re
from dataclasses import fields
from pathlib import Path

from workflows.conf import Conf
from workflows.core.states import RUN_FINAL, RUN_MOVES, TASK_FINAL, TASK_MOVES, RunState, TaskState

ROOT = Path(__file__).resolve().parents[2]


def test_the_database_knows_the_same_moves() -> None:
    sql = importlib.import_module("workflows.migrations.0004_moves").MOVES
    task, run = (set(re.findall(r"'(\w+>\w+)'", block)) for block in sql.split("FUNCTION celeriac_run_move"))
    assert task == {f"{a}>{b}" for a, b in TASK_MOVES}
    assert run == {f"{a}>{b}" for a, b in RUN_MOVES}


def test_the_documentation_knows_the_same_moves() -> None:
    text = (ROOT / "docs/states.md").read_text()
    moves = set(re.findall(r"^\| `(\w+)` → `(\w+)` \|", text, re.MULTILINE))
    assert moves == {(str(a), str(b)) for a, b in TASK_MOVES}


def test_final_states_are_left_by_being_reopened_only() -> None:
    assert {move for move in TASK_MOVES if move[0] in TASK_FINAL} == {(s, TaskState.PENDING) for s in TASK_FINAL}
    assert {move for move in RUN_MOVES if move[0] in RUN_FINAL} == {(s, RunState.RUNNING) for s in RUN_FINAL}
    assert {b for _, b in TASK_MOVES} | {TaskState.PENDING} == set(TaskState)


def test_every_setting_is_documented() -> None:
    text = (ROOT / "docs/reference/settings.md").read_text()
    assert set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE)) == {f.name for f in fields(Conf)}
