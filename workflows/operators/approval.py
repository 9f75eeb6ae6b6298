"""The approval task type: a person is asked, and the task waits for the answer without holding a worker."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from workflows.core.outcome import Defer, Outcome, Question
from workflows.operators.base import WRITTEN, Context, OperatorType, Parameters

Who = Annotated[str, Field(min_length=1, max_length=150)]


class ApprovalParameters(Parameters):
    """What is asked, of whom, and what follows from no answer and from a No."""

    prompt: str = Field(
        default="",
        max_length=10_000,
        title="Question",
        description="What people are asked.",
        examples=["Publish {{ tasks.clean.output.rows }} rows?"],
    )
    users: list[Who] = Field(
        default_factory=list,
        max_length=100,
        title="Users",
        description="User names of those who may answer. With no user and no group: everybody who may operate runs.",
        examples=[["ada"]],
    )
    groups: list[Who] = Field(
        default_factory=list,
        max_length=100,
        title="Groups",
        description="Names of Django groups whose members may answer.",
        examples=[["release managers"]],
    )
    on_timeout: Literal["fail", "skip", "approve"] = Field(
        default="fail",
        title="On timeout",
        description="What happens when nobody has answered within the task's timeout.",
        json_schema_extra=WRITTEN,
    )
    on_reject: Literal["fail", "skip"] = Field(
        default="fail",
        title="On rejection",
        description="What a No does to the task.",
        json_schema_extra=WRITTEN,
    )


def run(ctx: Context[ApprovalParameters]) -> Outcome:
    """Ask."""
    given = ctx.parameters
    question = Question(
        prompt=given.prompt,
        users=tuple(given.users),
        groups=tuple(given.groups),
        on_timeout=given.on_timeout,
        on_reject=given.on_reject,
    )
    who = ", ".join([*given.users, *(f"group {name}" for name in given.groups)]) or "anyone who may operate runs"
    return Defer(message=f"waits for an answer of {who}", question=question)


OPERATOR = OperatorType(
    name="approval",
    title="Approval",
    description="Ask people and wait for their answer.",
    icon="user-check",
    parameters=ApprovalParameters,
    run=run,
    raw_fields=frozenset({"on_timeout", "on_reject"}),
    needs_worker=False,
)
