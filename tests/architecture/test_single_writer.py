"""Only engine/transitions writes a state: in Python (`x.state = …`, `.update(state=…)`) or in SQL (`SET state =
…`)."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
WRITER = ROOT / "workflows/engine/transitions"
CALLS = {"update", "create", "update_or_create", "bulk_update"}
SQL = re.compile(r"\b(update|into)\s+\"?workflows_(dagrun|taskexecution)\b", re.IGNORECASE)
SETS_STATE = re.compile(r"\bset\b[^;]*?\bstate\s*=(?!=)", re.IGNORECASE | re.DOTALL)


def state_writes(source: str) -> list[str]:
    """Every place in a module that writes a state, as `line: what`."""
    found: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(t, ast.Attribute) and t.attr == "state" for t in targets):
                found.append(f"{node.lineno}: .state =")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CALLS:
            manager = ast.unparse(node.func.value)
            if any(k.arg == "state" for k in node.keywords) and ("Run" in manager or "TaskExecution" in manager):
                found.append(f"{node.lineno}: .{node.func.attr}(state=…)")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            if len(node.args) > 1 and isinstance(node.args[1], ast.Constant) and node.args[1].value == "state":
                found.append(f"{node.lineno}: setattr")
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and SQL.search(node.value):
            update = re.search(r"update\s+\"?workflows_(dagrun|taskexecution)\b(.*)", node.value, re.I | re.S)
            if update and SETS_STATE.search(update.group(2)):
                found.append(f"{node.lineno}: SQL")
    return found


def test_only_transitions_writes_states() -> None:
    offenders = {
        str(path.relative_to(ROOT)): writes
        for folder in ("workflows", "api")
        for path in (ROOT / folder).rglob("*.py")
        if WRITER not in path.parents and "migrations" not in path.parts and (writes := state_writes(path.read_text()))
    }
    assert not offenders


def test_transitions_is_seen_to_write() -> None:
    assert [path for path in WRITER.glob("*.py") if state_writes(path.read_text())]


@pytest.mark.parametrize(
    "planted",
    [
        "run.state = 'success'",
        "self.task.state: str = 'failed'",
        "TaskExecution.objects.filter(pk=1).update(state='failed')",
        "DagRun.objects.create(dag=d, state='running')",
        "setattr(run, 'state', 'failed')",
        "cursor.execute('UPDATE workflows_taskexecution SET attempt = 1, state = %s')",
    ],
)
def test_a_planted_write_is_seen(planted: str) -> None:
    assert state_writes(planted)
