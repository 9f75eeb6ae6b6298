"""Each failpoint is passed somewhere in the code, and none that is passed is unknown."""

from __future__ import annotations

import ast
from pathlib import Path

from workflows.failpoints import POINTS

ROOT = Path(__file__).resolve().parents[2]


def test_the_points_are_those_that_the_code_passes() -> None:
    passed = [
        ast.literal_eval(node.args[0])
        for path in (ROOT / "workflows").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "failpoints.hit"
    ]
    assert sorted(passed) == sorted(POINTS), "each in exactly one place"
