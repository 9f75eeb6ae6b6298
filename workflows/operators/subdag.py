"""The subdag task type: a run of another DAG, waited for without holding a worker."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from workflows.core.outcome import Outcome, Spawn
from workflows.operators.base import Context, OperatorType, Parameters


class SubdagParameters(Parameters):
    """What a sub-DAG takes."""

    dag_id: str = Field(
        min_length=1,
        title="DAG",
        description="The id of the DAG to run. It may not be among the DAGs this run is itself inside of.",
        examples=["clean_one_shop"],
    )
    params: dict[str, Any] = Field(
        default_factory=dict,
        title="Parameters",
        description="The child run's parameters; those left out take the child DAG's defaults.",
        examples=[{"shop": "{{ params.shop }}"}],
    )


def run(ctx: Context[SubdagParameters]) -> Outcome:
    """Ask the engine for the child run; the task waits as deferred and settles when the child ends."""
    return Spawn(dag_id=ctx.parameters.dag_id, params=dict(ctx.parameters.params))


OPERATOR = OperatorType(
    name="subdag",
    title="Sub-DAG",
    description="Run another DAG and wait for its end.",
    icon="workflow",
    parameters=SubdagParameters,
    run=run,
    needs_worker=False,
)
