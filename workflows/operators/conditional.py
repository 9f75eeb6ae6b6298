"""The conditional task type: an expression chooses which of two tasks goes on; the other one is skipped."""

from __future__ import annotations

from pydantic import Field

from workflows.core.outcome import Done, Fail, Outcome
from workflows.core.states import Reason
from workflows.operators.base import EXPRESSION, Context, OperatorType, Parameters


class ConditionalParameters(Parameters):
    """What a conditional takes. `condition` reaches `run` as the bool the worker evaluated it to."""

    condition: bool | str = Field(
        title="Condition",
        description="An expression over params, run, tasks, dag and item; true or false decides the branch.",
        examples=["tasks.clean.output.rows > 100"],
        json_schema_extra=EXPRESSION,
    )
    true_task: str | None = Field(
        default=None,
        title="If true",
        description="The task that runs when the condition is true. Empty: none does.",
        examples=["publish"],
    )
    false_task: str | None = Field(
        default=None,
        title="If false",
        description="The task that runs when the condition is false. Empty: none does.",
        examples=["warn"],
    )


def run(ctx: Context[ConditionalParameters]) -> Outcome:
    """Choose the branch; `branch` is "" when the chosen side names no task, so that both sides are "
    "skipped."""
    result = ctx.parameters.condition
    if not isinstance(result, bool):
        return Fail(
            message=f"The condition was not evaluated to true or false: {result!r}",
            reason=Reason.BAD_INPUT,
            permanent=True,
        )
    chosen = (ctx.parameters.true_task if result else ctx.parameters.false_task) or ""
    return Done(output={"result": result, "branch": chosen or None}, branch=chosen)


OPERATOR = OperatorType(
    name="conditional",
    title="Condition",
    description="Choose one of two tasks by an expression; the other one is skipped.",
    icon="split",
    parameters=ConditionalParameters,
    run=run,
    evaluates=frozenset({"condition"}),
    needs_worker=False,
)
