"""The sql task type: a statement, a script or a load of rows, on a connection that a setting names."""

from __future__ import annotations

from workflows.operators.base import OperatorType
from workflows.operators.sql.execute import run
from workflows.operators.sql.parameters import SqlParameters

OPERATOR = OperatorType(
    name="sql",
    title="SQL",
    description="Query a database, run a script, or load rows into a table.",
    icon="database",
    parameters=SqlParameters,
    run=run,
    raw_fields=frozenset({"query", "script"}),
)
