"""The celery task type: any task registered with the worker's Celery application, unchanged."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from workflows.core.outcome import Json, Outcome
from workflows.operators.base import Context, OperatorType, Parameters


class CeleryParameters(Parameters):
    """What a celery task takes."""

    task: str = Field(
        min_length=1,
        title="Task",
        description="The name under which the Celery task is registered.",
        examples=["shop.tasks.publish"],
    )
    args: list[Any] = Field(
        default_factory=list,
        title="Positional arguments",
        description="JSON values, in order. A bound task gets its own `self` before them.",
        examples=[[1, "two"]],
    )
    kwargs: dict[str, Any] = Field(
        default_factory=dict,
        title="Keyword arguments",
        description="JSON values by parameter name.",
        examples=[{"day": "{{ params.day }}"}],
    )


def run(ctx: Context[CeleryParameters]) -> Outcome:
    """Call the task in this worker process, through the worker's own Celery application."""
    given = ctx.parameters
    args: list[Json] = list(given.args)
    return ctx.call_celery(given.task, args, dict(given.kwargs), ctx)


OPERATOR = OperatorType(
    name="celery",
    title="Celery task",
    description="Call a task that is registered with Celery, as it is.",
    icon="leafy-green",
    parameters=CeleryParameters,
    run=run,
)
