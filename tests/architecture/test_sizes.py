"""Small files, small functions, and names that say something."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("orchestrator", "workflows", "api", "tests", "examples")
FILE_LINES = 500
FUNCTION_LINES = 50
EMPTY_WORDS = {"utils", "helpers", "common", "manager", "service", "misc", "util", "helper"}


def _modules() -> list[Path]:
    return [p for f in FOLDERS for p in (ROOT / f).rglob("*.py") if "migrations" not in p.parts]


def test_files_are_small() -> None:
    long = {str(p.relative_to(ROOT)): n for p in _modules() if (n := len(p.read_text().splitlines())) > FILE_LINES}
    assert not long


def test_functions_are_small() -> None:
    long = {}
    for path in _modules():
        if "tests" in path.relative_to(ROOT).parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                if lines > FUNCTION_LINES:
                    long[f"{path.relative_to(ROOT)}:{node.name}"] = lines
    assert not long


def test_no_module_is_named_after_nothing() -> None:
    assert not [str(p) for p in _modules() if p.stem in EMPTY_WORDS]


def test_tests_do_not_sleep() -> None:
    sleepers = []
    for path in (ROOT / "tests").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("time.sleep", "sleep", "asyncio.sleep"):
                sleepers.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not sleepers


def test_no_error_is_swallowed() -> None:
    silent = []
    for path in _modules():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and all(isinstance(s, ast.Pass) for s in node.body):
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not silent
