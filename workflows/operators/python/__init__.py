"""The python task type: a callable of an allowed package, or a script in an interpreter of its own."""

from __future__ import annotations

from workflows.core.outcome import Outcome
from workflows.operators.base import Context, OperatorType
from workflows.operators.python import call, script
from workflows.operators.python.parameters import PythonParameters


def run(ctx: Context[PythonParameters]) -> Outcome:
    """Call the callable in this process, or run the script in its own."""
    return call.run(ctx) if ctx.parameters.callable is not None else script.run(ctx)


OPERATOR = OperatorType(
    name="python",
    title="Python",
    description="Call a function of your own package, or run a script.",
    icon="code",
    parameters=PythonParameters,
    run=run,
    raw_fields=frozenset({"script"}),
)
