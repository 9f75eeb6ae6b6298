"""What a python task takes."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from workflows.operators.base import RAW, Parameters


class PythonParameters(Parameters):
    """A callable or a script, not both, and its arguments."""

    callable: str | None = Field(
        default=None,
        title="Callable",
        description="package.module:function, of a package named in the setting PYTHON_MODULES. Runs in "
        "the worker's process; "
        "a parameter named celeriac_context receives run, task and tasks.",
        examples=["sales.steps:clean"],
    )
    script: str | None = Field(
        default=None,
        title="Script",
        description="Python source, run in an interpreter of its own with args, kwargs and context as "
        "variables. "
        "What it assigns to `output` is the task's output. Expressions are not rendered in it; use kwargs.",
        examples=["output = {'rows': len(kwargs['lines'])}"],
        json_schema_extra=RAW,
    )
    args: list[Any] = Field(
        default_factory=list,
        title="Positional arguments",
        description="JSON values, in order.",
        examples=[[1, "two"]],
    )
    kwargs: dict[str, Any] = Field(
        default_factory=dict,
        title="Keyword arguments",
        description="JSON values by parameter name.",
        examples=[{"orders": "{{ tasks.fetch.output.json }}"}],
    )
    env: dict[str, str] = Field(
        default_factory=dict,
        title="Environment",
        description="Variables for a script; a callable sees the worker's own environment.",
        examples=[{"TZ": "UTC"}],
    )

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.callable is None) == (self.script is None):
            raise ValueError("give either callable or script")
        if self.callable is not None and self.env:
            raise ValueError("env is for a script; a callable sees the worker's own environment")
        return self
