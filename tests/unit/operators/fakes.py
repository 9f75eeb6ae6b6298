"""A context for an operator, without a worker: what the tests of both rings build."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from workflows.core.outcome import Outcome
from workflows.operators import registry
from workflows.operators.base import Context, RunInfo, TaskInfo


class Log:
    """Keeps what is written."""

    def __init__(self) -> None:
        self.written: list[tuple[str, str]] = []

    def write(self, text: str, *, stream: str = "stdout") -> None:
        self.written.append((stream, text))

    def text(self, stream: str | None = None) -> str:
        return "".join(text for name, text in self.written if stream in (None, name))


class SoftLimit(Exception):
    """Stands for the exception by which a worker breaks into running code."""


def context(kind: str, *, timeout: float | None = None, log: Any = None, **parameters: Any) -> Context[Any]:
    """A context whose parameters are validated as the worker does it."""
    model = registry.get(kind).parameters
    return Context(
        parameters=model.model_validate(parameters),
        run=RunInfo(id=7, dag_id="daily", version=3, params={"day": "2026-01-02"}),
        task=TaskInfo(id="step", name="Step", execution_id=70, attempt=2, timeout=timeout),
        log=log or Log(),
        tasks={"before": {"state": "success", "output": {"rows": 3}}},
        interrupts=(SoftLimit,),
    )


def run(kind: str, *, timeout: float | None = None, log: Any = None, **parameters: Any) -> Outcome:
    """Run a task type on parameters."""
    return registry.get(kind).run(context(kind, timeout=timeout, log=log, **parameters))


Configure = Callable[..., None]
