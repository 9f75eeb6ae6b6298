"""SQLite files: sqlite:///relative/path.db or sqlite:////absolute/path.db, with SQLite's own URI options."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from typing import Any

from workflows.core.outcome import Json
from workflows.operators.sql import text as sql_text
from workflows.operators.sql.result import Result, kept
from workflows.operators.sql.values import to_database

PROGRESS_STEPS = 10_000  # virtual machine steps between two looks at the clock
BUSY_SECONDS = 30.0


class SqliteDatabase:
    """One transaction on a SQLite file."""

    def __init__(self, connection: sqlite3.Connection, timeout: float | None) -> None:
        self._connection = connection
        self._timeout = timeout

    def query(self, text: str, bind: dict[str, Json], keep: int) -> Result:
        """Run one statement."""
        statement, names = sql_text.rewrite(text, lambda name: f":{name}")
        sql_text.check_names(names, dict(bind))
        with closing(self._run(statement, {name: to_database(value) for name, value in bind.items()})) as cursor:
            if cursor.description is None:
                return Result(row_count=max(cursor.rowcount, 0))
            columns = [entry[0] for entry in cursor.description]
            rows, truncated = kept(columns, cursor, keep)
            return Result(columns=columns, rows=rows, row_count=len(rows), truncated=truncated)

    def script(self, text: str) -> None:
        """Run several statements; unlike executescript, inside our transaction."""
        for statement in statements(text):
            self._run(statement, {}).close()

    def load(self, statement: str, rows: Iterable[list[Any]]) -> int:
        """Insert the rows."""
        self._start_clock()
        places = statement.replace("{}", "?")
        values = ([to_database(value) for value in row] for row in rows)
        with closing(self._connection.executemany(places, values)) as cursor:
            return max(cursor.rowcount, 0)

    def execute(self, statement: str) -> None:
        """Run one statement."""
        self._run(statement, {}).close()

    def _run(self, statement: str, bind: dict[str, Any]) -> sqlite3.Cursor:
        self._start_clock()
        return self._connection.execute(statement, bind)

    def _start_clock(self) -> None:
        if self._timeout is not None:
            until = time.monotonic() + self._timeout
            self._connection.set_progress_handler(lambda: time.monotonic() > until, PROGRESS_STEPS)


def statements(text: str) -> Iterator[str]:
    """Split a script where SQLite itself sees the end of a statement (triggers hold semicolons)."""
    start = 0
    for at, char in enumerate(text):
        if char == ";" and sqlite3.complete_statement(text[start : at + 1]):
            yield text[start : at + 1]
            start = at + 1
    if text[start:].strip():
        yield text[start:]


@contextmanager
def connect(uri: str, timeout: float | None) -> Iterator[SqliteDatabase]:
    """Open the file and a transaction; commit it at the end, or roll it back."""
    busy = BUSY_SECONDS if timeout is None else min(timeout, BUSY_SECONDS)
    connection = sqlite3.connect(uri, uri=True, timeout=busy, isolation_level=None)
    with closing(connection):
        connection.set_authorizer(_authorize)
        connection.execute("begin")
        yield SqliteDatabase(connection, timeout)
        if connection.in_transaction:
            connection.execute("commit")


def _authorize(action: int, *_: object) -> int:
    """Refuse to attach other files: a connection is one database."""
    return sqlite3.SQLITE_DENY if action == sqlite3.SQLITE_ATTACH else sqlite3.SQLITE_OK
