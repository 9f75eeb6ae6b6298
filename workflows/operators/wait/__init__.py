"""The wait task type: until a time, for a while, or until an HTTP or SQL condition holds; no worker is held."""

from __future__ import annotations

from workflows.operators.base import OperatorType
from workflows.operators.wait.look import run
from workflows.operators.wait.parameters import WaitParameters

OPERATOR = OperatorType(
    name="wait",
    title="Wait",
    description="Wait for a time, or until a condition holds, without holding a worker.",
    icon="hourglass",
    parameters=WaitParameters,
    run=run,
    raw_fields=frozenset({"expect", "on_error", "on_timeout", "sql.query"}),
    needs_worker=False,
)
