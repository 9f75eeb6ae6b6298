"""PostgreSQL by psycopg: the server binds the values, and an abandoned statement is cancelled there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import sql

from workflows.core.outcome import Json
from workflows.operators.sql import text as sql_text
from workflows.operators.sql.result import Result, kept
from workflows.operators.sql.values import to_database

CONNECT_SECONDS = 15
CANCEL_SECONDS = 2.0
Check = Callable[[str, int, str], None]  # (host, port, database) in effect, whatever named them
# Only a statement that is sure to write nothing may be read through a cursor that is left half-read.
_READS = re.compile(r"\s*(select|values|table)\b(?!.*\binto\b)", re.IGNORECASE | re.DOTALL)


class PostgresDatabase:
    """One transaction on a PostgreSQL server."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def query(self, text: str, bind: dict[str, Json], keep: int) -> Result:
        """Run one statement; of a read, no more rows are fetched than are kept."""
        statement, names = sql_text.rewrite(text, lambda name: f"%({name})s", percent="%%")
        sql_text.check_names(names, dict(bind))
        values = {name: to_database(value) for name, value in bind.items()}
        if _READS.match(statement):
            return self._read(statement, values, keep)
        with self._connection.cursor() as cursor:
            cursor.execute(_trusted(statement), values)
            if cursor.description is None:
                return Result(row_count=max(cursor.rowcount, 0))
            columns = [column.name for column in cursor.description]
            rows, truncated = kept(columns, cursor, keep)
            return Result(columns=columns, rows=rows, row_count=max(cursor.rowcount, 0), truncated=truncated)

    def _read(self, statement: str, values: dict[str, Any], keep: int) -> Result:
        with self._connection.cursor(name="celeriac") as cursor:
            cursor.execute(_trusted(statement), values)
            columns = [column.name for column in cursor.description or ()]
            rows, truncated = kept(columns, cursor.fetchmany(keep + 1), keep)
            return Result(columns=columns, rows=rows, row_count=len(rows), truncated=truncated)

    def script(self, text: str) -> None:
        """Run several statements, as the server splits them."""
        self._connection.execute(_trusted(text), prepare=False)

    def load(self, statement: str, rows: Iterable[list[Any]]) -> int:
        """Insert the rows, many to a round trip."""
        places = statement.replace("%", "%%").replace("{}", "%s")
        with self._connection.cursor() as cursor:
            cursor.executemany(_trusted(places), ([to_database(value) for value in row] for row in rows))
            return max(cursor.rowcount, 0)

    def execute(self, statement: str) -> None:
        """Run one statement."""
        self._connection.execute(_trusted(statement))


def _trusted(statement: str) -> sql.SQL:
    """The author's own text: only values, which are bound, come from elsewhere."""
    return sql.SQL(statement)


@contextmanager
def connect(url: str, timeout: float | None, check: Check) -> Iterator[PostgresDatabase]:
    """Connect, `check` where to, and open a transaction that is committed, or cancelled and rolled back."""
    connection = psycopg.connect(url, connect_timeout=CONNECT_SECONDS, application_name="celeriac task")
    with connection:
        info = connection.info
        check(info.hostaddr or info.host, info.port, info.dbname)
        _limit(connection, timeout)
        try:
            yield PostgresDatabase(connection)
        except BaseException:
            # A soft time limit breaks in here while the server is at work; it would go on without us.
            connection.cancel_safe(timeout=CANCEL_SECONDS)
            raise


def _limit(connection: psycopg.Connection[Any], timeout: float | None) -> None:
    if timeout is not None:
        milliseconds = str(max(1, int(timeout * 1000)))
        connection.execute("select set_config('statement_timeout', %s, true)", [milliseconds])
    if connection.info.server_version >= 140_000:
        # Have the server notice that we were killed, and roll back, while a statement still runs.
        connection.execute("select set_config('client_connection_check_interval', '1s', true)")
