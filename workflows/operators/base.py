"""The shape of a task type: a parameters model, a function from a context to an outcome, words for forms."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Generic, Protocol, TypedDict, TypeVar

from pydantic import BaseModel, ConfigDict, JsonValue

from workflows.core import expressions
from workflows.core.outcome import Fail, Json, Outcome


class Parameters(BaseModel):
    """What every parameters model has in common: immutable, and a misspelt name is an error."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


# How templates in a field are treated, for forms and validators (`json_schema_extra`); see OperatorType.
QUOTED: dict[str, JsonValue] = {"x-template": "quoted"}
RAW: dict[str, JsonValue] = {"x-template": "raw"}
EXPRESSION: dict[str, JsonValue] = {"x-template": "expression"}
WRITTEN: dict[str, JsonValue] = {"x-template": "written"}
LATER: dict[str, JsonValue] = {"x-template": "later"}

P = TypeVar("P", bound=BaseModel)


class LogWriter(Protocol):
    """Where a task's output goes: text of any size, at any time, from any thread."""

    def write(self, text: str, *, stream: str = "stdout") -> None:
        """Append text; `stream` is stdout or stderr."""


class TaskView(TypedDict, total=False):
    """What a task sees of an upstream."""

    state: str
    output: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class RunInfo:
    """The run a task belongs to."""

    id: int
    dag_id: str
    version: int
    logical_date: datetime | None = None
    params: dict[str, Json] = field(default_factory=dict)
    trigger: str = "manual"
    external_id: str | None = None
    interval_start: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo:
    """The attempt that runs. `timeout` is in seconds; `map_index` is -1 for a task that is not mapped."""

    id: str
    name: str
    execution_id: int
    attempt: int
    timeout: float | None = None
    map_index: int = -1


Evaluate = Callable[[str, Mapping[str, Json]], bool]


def _no_names(expression: str, names: Mapping[str, Json]) -> bool:
    return expressions.evaluate(expression, names)


CallCelery = Callable[[str, list[Json], dict[str, Json], "Context[Any]"], Outcome]


def _no_celery(name: str, args: list[Json], kwargs: dict[str, Json], ctx: Context[Any]) -> Outcome:
    return Fail(message=f"The Celery task {name!r} can only be called inside a worker", permanent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context(Generic[P]):
    """All that an operator may know. The worker builds it; `parameters` are rendered and validated.

    `call_celery` is how the worker lends its Celery application, `evaluate` how it evaluates an expression (its second
    argument: more names that the expression may use; raises RenderError). `interrupts` are the exception types by
    which the worker breaks into running code (its soft time limit): they are nobody's error and must reach
    the worker. `workdir` is where scratch directories are made (None: the system's temporary directory).
    """

    parameters: P
    run: RunInfo
    task: TaskInfo
    log: LogWriter
    tasks: Mapping[str, TaskView] = field(default_factory=dict)
    call_celery: CallCelery = _no_celery
    evaluate: Evaluate = _no_names
    interrupts: tuple[type[BaseException], ...] = ()
    workdir: Path | None = None

    @property
    def idempotency_key(self) -> str:
        """`run:task`, the same for every attempt, so that a receiver can drop a repetition."""
        key = f"{self.run.id}:{self.task.id}"
        return key if self.task.map_index < 0 else f"{key}:{self.task.map_index}"

    def plain(self) -> dict[str, Json]:
        """The context as plain JSON: what is shown to user code (`run`, `task`, `tasks`)."""
        date = self.run.logical_date
        since = self.run.interval_start
        run = {
            "id": self.run.id,
            "dag_id": self.run.dag_id,
            "version": self.run.version,
            "logical_date": date.isoformat() if date else None,
            "params": self.run.params,
            "trigger": self.run.trigger,
            "external_id": self.run.external_id,
            "interval_start": since.isoformat() if since else None,
            "interval_end": date.isoformat() if date else None,
        }
        task = {
            "id": self.task.id,
            "name": self.task.name,
            "attempt": self.task.attempt,
            "map_index": self.task.map_index,
            "idempotency_key": self.idempotency_key,
        }
        return {"run": run, "task": task, "tasks": {key: dict(view) for key, view in self.tasks.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class OperatorType:
    """A task type.

    `icon` is a lucide icon name. `quote_fields` name the parameters in which every expression's value goes
    through `quote` when they are rendered (to text, never to a native value); `raw_fields` those that are
    never rendered, as they are code (RAW), stand in the document as they are (WRITTEN), or are expressions that `run`
    evaluates itself, by `ctx.evaluate` (LATER); `evaluates` those that are an expression and arrive as the bool it came
    to. The parameters model says the same to forms and validators, as `x-template`. `needs_worker` is False
    for a type that only decides and could be settled without a worker.
    """

    name: str
    title: str
    description: str
    icon: str
    parameters: type[BaseModel]
    run: Callable[[Context[Any]], Outcome]
    quote_fields: frozenset[str] = frozenset()
    quote: Callable[[Any], str] = shlex.quote
    raw_fields: frozenset[str] = frozenset()
    evaluates: frozenset[str] = frozenset()
    needs_worker: bool = True


class TaskFailed(Exception):
    """Raise in a python task to fail it with this message; a permanent failure is not retried."""

    def __init__(self, message: str = "The task failed", *, permanent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.permanent = permanent


class TaskSkipped(Exception):
    """Raise in a python task to have it skipped."""

    def __init__(self, message: str = "The task skipped itself") -> None:
        super().__init__(message)
        self.message = message


class RetryLater(Exception):
    """Raise in a python task to be tried again, after so many seconds (None: what the policy says)."""

    def __init__(self, after: float | None = None, message: str = "The task asked to be tried again") -> None:
        super().__init__(message)
        self.after = after
        self.message = message
