"""The layers and the contracts of pyproject.toml, by import-linter; and that the contracts see what they should."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_import_contracts_hold() -> None:
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    result = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stdout + result.stderr


def test_core_imports_nothing_outside_its_list() -> None:
    allowed = {"workflows", "pydantic", "pydantic_core", "yaml", "jinja2", "markupsafe", *sys.stdlib_module_names}
    banned = {"socket", "subprocess", "time", "random", "threading", "os", "urllib.request", "http"}
    for path in sorted((ROOT / "workflows/core").glob("*.py")):
        for name in _imports(path):
            assert name.split(".")[0] in allowed, f"{path.name} imports {name}"
            assert name not in banned, f"{path.name} imports {name}: core has no clock, chance or network"


def _imports(path: Path) -> list[str]:
    names: list[str] = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.append(node.module)
    return names
