"""The http task type: one request, to public addresses unless a setting allows more."""

from __future__ import annotations

from workflows.operators.base import OperatorType
from workflows.operators.http.call import run
from workflows.operators.http.parameters import HttpParameters

OPERATOR = OperatorType(
    name="http",
    title="HTTP request",
    description="Send a request and keep its answer.",
    icon="globe",
    parameters=HttpParameters,
    run=run,
)
