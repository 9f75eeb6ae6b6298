"""Run an sql task and say how it went."""

from __future__ import annotations

import sqlite3
from typing import Any

from workflows.conf import conf
from workflows.core.outcome import Done, Fail, Json, Outcome
from workflows.core.states import Reason
from workflows.operators.base import Context
from workflows.operators.sql.connections import BadConnection, opened
from workflows.operators.sql.parameters import SqlParameters
from workflows.operators.sql.result import Database, Result
from workflows.operators.sql.text import BadStatement, quoted, quoted_table


def run(ctx: Context[SqlParameters]) -> Outcome:
    """Run the query, the script or the load in one transaction."""
    import psycopg

    given = ctx.parameters
    limits = [limit for limit in (given.statement_timeout, ctx.task.timeout) if limit is not None]
    try:
        with opened(given.connection, min(limits, default=None)) as database:
            result = perform(given, database)
    except (BadConnection, BadStatement) as error:
        return Fail(message=str(error), reason=Reason.BAD_INPUT, permanent=True)
    except psycopg.errors.QueryCanceled as error:
        return Fail(message=_first_line(error), reason=Reason.TIMED_OUT)
    except sqlite3.OperationalError as error:
        stopped = str(error) == "interrupted"
        message = "the statement took longer than it may" if stopped else f"{error}{_hint(given)}"
        return Fail(message=message, reason=Reason.TIMED_OUT if stopped else Reason.ERROR)
    except (psycopg.Error, sqlite3.Error) as error:
        return Fail(message=f"{type(error).__name__}: {_first_line(error)}{_hint(given)}")
    ctx.log.write(f"{given.connection}: {result.row_count} rows\n")
    return Done(output=shaped(given, result))


def perform(given: SqlParameters, database: Database) -> Result:
    """Do what the parameters ask for."""
    if given.script is not None:
        database.script(given.script)
        return Result()
    if given.query is not None:
        most = int(conf.SQL_MAX_ROWS)
        keep = {"all": min(given.max_rows or most, most), "one": 1, "value": 1, "none": 0}[given.fetch]
        return database.query(given.query, given.bind, keep)
    return load(given, database)


def load(given: SqlParameters, database: Database) -> Result:
    """Insert the rows; names of tables and columns are checked and quoted, values bound."""
    rows = given.rows or []
    table = quoted_table(given.into or "")
    if given.replace:
        database.execute(f"delete from {table}")  # noqa: S608
    if not rows:
        return Result()
    columns = given.columns or first_columns(rows[0])
    names = ", ".join(quoted(column) for column in columns)
    places = ", ".join("{}" for _ in columns)
    clause = " on conflict do nothing" if given.on_conflict == "ignore" else ""
    statement = f"insert into {table} ({names}) values ({places}){clause}"  # noqa: S608
    ordered = (in_order(row, columns, number) for number, row in enumerate(rows))
    return Result(row_count=database.load(statement, ordered))


def first_columns(row: Any) -> list[str]:
    """The columns of a load that names none."""
    if not isinstance(row, dict) or not row:
        raise BadStatement("rows that are lists need columns")
    return list(row)


def in_order(row: dict[str, Json] | list[Json], columns: list[str], number: int) -> list[Json]:
    """One row's values in the order of the columns; every row must have the same ones."""
    if isinstance(row, list):
        if len(row) != len(columns):
            raise BadStatement(f"row {number} has {len(row)} values for {len(columns)} columns")
        return row
    unknown = sorted(set(row) - set(columns))
    if unknown:
        raise BadStatement(f"row {number} has columns that are not loaded: {', '.join(unknown)}")
    return [row.get(column) for column in columns]


def shaped(given: SqlParameters, result: Result) -> dict[str, Json]:
    """The task's output."""
    output: dict[str, Json] = {"row_count": result.row_count}
    if given.query is None or given.fetch == "none":
        return output
    output |= {"rows": result.rows, "columns": result.columns, "truncated": result.truncated}
    first = result.rows[0] if result.rows else None
    if given.fetch == "one":
        output["row"] = first
    elif given.fetch == "value":
        output["value"] = next(iter(first.values()), None) if first else None
    return output


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _hint(given: SqlParameters) -> str:
    if "{{" in (given.query or "") + (given.script or ""):
        return " (expressions are not rendered in SQL: use :name and bind)"
    return ""
