"""docs/failures.md: each row has a proof, each proof is there, and its tables are those of the code."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from tests.chaos.harness.checker import WRONG
from tests.chaos.test_mutations import GUARDS
from workflows.failpoints import POINTS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/failures.md").read_text()
PROOF = re.compile(r"`(tests/[\w/]+\.py)::(\w+)(?:\[[\w-]+\])?`")


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The functions of a test file."""
    return frozenset(node.name for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.FunctionDef))


def rows(heading: str) -> list[list[str]]:
    """The rows of the table below a heading, without its head."""
    section = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_every_test_that_is_named_exists() -> None:
    named = PROOF.findall(PAGE)
    assert len(named) > 50
    missing = [f"{path}::{name}" for path, name in named if name not in functions_of(ROOT / path)]
    assert not missing


def test_every_row_has_a_proof() -> None:
    for heading in ("Processes", "The broker", "PostgreSQL", "Doors, races, clocks"):
        found = rows(heading)
        assert len(found) >= 5
        assert not [row[0] for row in found if len(row) != 4 or not PROOF.search(row[3])], heading


def test_the_failpoints_are_those_of_the_code() -> None:
    assert rows("Between two steps") == [[f"`{name}`", text] for name, text in POINTS.items()]


def test_the_mutations_are_those_that_are_tried() -> None:
    assert [(row[0], row[2].strip("`")) for row in rows("Without the mechanism")] == list(GUARDS.items())


def test_the_figures_that_must_be_zero_are_explained() -> None:
    told = {name for row in rows("Random faults") if "must be 0" in row[1] for name in re.findall(r"`(\w+)`", row[0])}
    assert told == set(WRONG)
