"""What comes back of a statement, and the shape in which a task keeps it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

from workflows.core.outcome import Json
from workflows.operators.sql.values import to_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Rows (capped), their columns, how many there are or were changed, and whether the cap cut some off.

    `row_count` of a result that was cut off is the number kept.
    """

    columns: list[str] = field(default_factory=list)
    rows: list[dict[str, Json]] = field(default_factory=list)
    row_count: int = 0
    truncated: bool = False


class Database(Protocol):
    """A connected database in one open transaction, which ends well when its `with` block does."""

    def query(self, text: str, bind: dict[str, Json], keep: int) -> Result:
        """Run one statement with :names and keep at most so many rows."""

    def script(self, text: str) -> None:
        """Run several statements."""

    def load(self, statement: str, rows: Iterable[list[Any]]) -> int:
        """Run an INSERT whose places are {} once per row; how many rows went in."""

    def execute(self, statement: str) -> None:
        """Run one statement of our own making, without values."""


def kept(columns: list[str], rows: Iterable[Iterable[Any]], keep: int) -> tuple[list[dict[str, Json]], bool]:
    """The first `keep` rows as maps, and whether there were more; a column that comes twice is numbered."""
    names = numbered(columns)
    found: list[dict[str, Json]] = []
    truncated = False
    for row in rows:
        if len(found) >= keep:
            truncated = True
            continue  # a statement that writes must run to its end
        found.append({name: to_json(value) for name, value in zip(names, row, strict=True)})
    return found, truncated


def numbered(columns: list[str]) -> list[str]:
    """Column names made unique: id, id_2, id_3."""
    names: list[str] = []
    for column in columns:
        name, number = column, 1
        while name in names:
            number += 1
            name = f"{column}_{number}"
        names.append(name)
    return names
