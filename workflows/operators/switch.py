"""The switch task type: of many cases the first true one chooses the task that goes on; the others are skipped."""

from __future__ import annotations

from pydantic import Field

from workflows.core.outcome import Done, Outcome
from workflows.operators.base import LATER, WRITTEN, Context, OperatorType, Parameters


class Case(Parameters):
    """An expression, and the task that goes on when it is the first true one."""

    when: bool | str = Field(
        title="When",
        description="An expression over params, run, tasks, dag and item.",
        examples=["tasks.measure.output.rows > 1000"],
        json_schema_extra=LATER,
    )
    task: str = Field(
        min_length=1,
        title="Task",
        description="The task that goes on. Several cases may name the same one.",
        examples=["load_all"],
        json_schema_extra=WRITTEN,
    )


class SwitchParameters(Parameters):
    """The cases, in the order in which they are asked, and what goes on when none is true."""

    cases: list[Case] = Field(
        min_length=1,
        max_length=1000,
        title="Cases",
        description="The first one whose expression is true chooses; those after it are not evaluated.",
        examples=[[{"when": "params.size > 1000", "task": "in_parts"}, {"when": "params.size > 0", "task": "at_once"}]],
        json_schema_extra=WRITTEN,
    )
    default: str | None = Field(
        default=None,
        title="Otherwise",
        description="The task that goes on when no case is true. Empty: none does.",
        examples=["nothing_to_do"],
        json_schema_extra=WRITTEN,
    )


def run(ctx: Context[SwitchParameters]) -> Outcome:
    """Choose; `branch` is "" when no case is true and there is no default, so that every named task is skipped."""
    given = ctx.parameters
    for at, case in enumerate(given.cases):
        if case.when if isinstance(case.when, bool) else ctx.evaluate(case.when, {}):
            return Done(output={"case": at, "branch": case.task}, branch=case.task)
    return Done(output={"case": None, "branch": given.default or None}, branch=given.default or "")


OPERATOR = OperatorType(
    name="switch",
    title="Switch",
    description="Choose one of many tasks by expressions; the others are skipped.",
    icon="list-tree",
    parameters=SwitchParameters,
    run=run,
    raw_fields=frozenset({"cases", "default"}),
    needs_worker=False,
)
