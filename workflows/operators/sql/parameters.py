"""What an sql task takes."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from workflows.operators.base import RAW, Parameters

IDENTIFIER = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"


def _column(name: str) -> str:
    if not re.fullmatch(IDENTIFIER, name):
        raise ValueError("a column name has letters, digits, _ and $, and at most 63 of them")
    return name


Column = Annotated[str, AfterValidator(_column)]


class SqlParameters(Parameters):
    """A query, a script or rows to load: one of the three."""

    connection: str = Field(
        min_length=1,
        title="Connection",
        description="A name in the setting SQL_CONNECTIONS.",
        examples=["warehouse"],
    )
    query: str | None = Field(
        default=None,
        title="Query",
        description="One statement. Values go in as :name, from bind; expressions are not rendered in it.",
        examples=["select * from stock where day = :day"],
        json_schema_extra=RAW,
    )
    bind: dict[str, Any] = Field(
        default_factory=dict,
        title="Values",
        description="The values of the query's :names. A list or a map goes in as JSON.",
        examples=[{"day": "{{ params.day }}"}],
    )
    script: str | None = Field(
        default=None,
        title="Script",
        description="Several statements in one transaction, without values and without a result.",
        examples=["create table if not exists stock (day date, item text, pieces integer);"],
        json_schema_extra=RAW,
    )
    into: str | None = Field(
        default=None,
        title="Load into",
        description="A table, or schema.table, to insert the rows into.",
        examples=["stock"],
    )
    rows: list[dict[str, Any] | list[Any]] | None = Field(
        default=None,
        title="Rows",
        description="What to insert: maps of column to value, or lists in the order of columns.",
        examples=["{{ tasks.parse.output.rows }}"],
    )
    columns: list[Column] | None = Field(
        default=None,
        title="Columns",
        description="The columns to insert. Empty: those of the first row, which must then be a map.",
        examples=[["day", "item", "pieces"]],
    )
    replace: bool = Field(
        default=False,
        title="Replace",
        description="Delete all rows of the table first, in the same transaction.",
    )
    on_conflict: Literal["error", "ignore"] = Field(
        default="error",
        title="On conflict",
        description="What to do with a row that is there already.",
    )
    fetch: Literal["all", "one", "value", "none"] = Field(
        default="all",
        title="Keep",
        description="all: {rows, columns, row_count, truncated}; one: also {row}, the first or null; "
        "value: also {value}, the first column of the first row; none: only the count.",
    )
    max_rows: int | None = Field(
        default=None,
        ge=1,
        title="Most rows",
        description="Rows to keep; `truncated` says whether there were more. At most SQL_MAX_ROWS.",
        examples=[1000],
    )
    statement_timeout: float | None = Field(
        default=None,
        gt=0,
        title="Statement timeout",
        description="Seconds one statement may take. Empty: the task's own timeout.",
        examples=[30],
    )

    @model_validator(mode="after")
    def _one_of_three(self) -> Self:
        load = self.into is not None or self.rows is not None
        if [self.query is not None, self.script is not None, load].count(True) != 1:
            raise ValueError("give one of query, script, or into with rows")
        if load and (self.into is None or self.rows is None):
            raise ValueError("into and rows go together")
        if self.bind and self.query is None:
            raise ValueError("bind belongs to a query")
        return self
