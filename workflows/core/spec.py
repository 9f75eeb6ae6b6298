"""The resolved specification of a DAG: a document once its defaults, shorthands and edges are worked out.

`core.parse` makes these from a document. Durations are float seconds, sizes are bytes, and every model reads
its own `model_dump(mode="json")` back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import PydanticCustomError

from workflows.core.durations import parse_bytes, parse_cpu, parse_duration
from workflows.core.joins import TriggerRule

ParamFormat = Literal["date", "date-time", "time", "duration", "email", "uri", "uuid", "multiline"]
ParamType = Literal["string", "integer", "number", "boolean", "array", "object", "null"]

TASK_ID_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]{0,199}$"
DAG_ID_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}$"
NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"  # of a param: it must be writable as params.NAME


def _reader(code: str, read: Callable[[object], Any]) -> BeforeValidator:
    """Turn a reader that raises ValueError into a validator whose error carries our own code."""

    def validate(value: object) -> Any:
        try:
            return read(value)
        except ValueError as error:
            raise PydanticCustomError(code, "{why}", {"why": str(error)}) from error

    return BeforeValidator(validate)


def _read_datetime(value: object) -> datetime:
    if isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value.strip())
        except ValueError:
            pass
    raise ValueError('is not a time: write a date or a date and time in ISO form, such as "2025-01-31T02:00"')


def _read_number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise PydanticCustomError("wrong_type", "must be a number")
    if not math.isfinite(value):
        raise PydanticCustomError("out_of_range", "must be finite")
    return float(value)


def _read_label(value: object) -> object:
    """A free label: a whole number is read as its text; 1.10 is not, since it has already become 1.1."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


_TEXT_OR_NUMBER = {"anyOf": [{"type": "number", "minimum": 0}, {"type": "string", "maxLength": 64}]}
Duration = Annotated[float, _reader("bad_duration", parse_duration), WithJsonSchema(_TEXT_OR_NUMBER)]
Bytes = Annotated[int, _reader("bad_quantity", parse_bytes), WithJsonSchema(_TEXT_OR_NUMBER)]
Cpu = Annotated[float, _reader("bad_quantity", parse_cpu), WithJsonSchema(_TEXT_OR_NUMBER)]
Moment = Annotated[datetime, _reader("bad_datetime", _read_datetime), WithJsonSchema({"type": "string"})]
Number = Annotated[float, BeforeValidator(_read_number), WithJsonSchema({"type": "number"})]
Label = Annotated[
    str, BeforeValidator(_read_label), WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "integer"}]})
]
PositiveDuration = Annotated[Duration, Field(gt=0)]


class SpecModel(BaseModel):
    """Base of the specification: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class RetrySpec(SpecModel):
    """How often and how patiently a failed task is tried again; `max_attempts` counts the first try."""

    max_attempts: Annotated[StrictInt, Field(ge=1, le=1000)] = 1
    delay: Duration = 0.0
    backoff: Annotated[Number, Field(ge=1, le=100)] = 1.0
    max_delay: Duration | None = None
    jitter: StrictBool = False


class ResourcesSpec(SpecModel):
    """What a task needs of a node; None asks for nothing in particular."""

    cpu: Annotated[Cpu, Field(ge=0)] | None = None
    memory: Bytes | None = None
    gpu: Annotated[StrictInt, Field(ge=0)] | None = None
    storage: Bytes | None = None
    labels: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[str, ...] = ()


class TaskDefaults(SpecModel):
    """The fields of a task that a document's `defaults` may give for all its tasks."""

    pool: Annotated[str, Field(min_length=1, max_length=100)] = "default"
    priority: Annotated[StrictInt, Field(ge=0, le=9)] = 5
    resources: ResourcesSpec = ResourcesSpec()
    retry: RetrySpec = RetrySpec()
    timeout: PositiveDuration | None = None
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS
    allow_failure: StrictBool = False
    at_most_once: StrictBool = False


class TaskSpec(TaskDefaults):
    """One task, with defaults merged in and every upstream in `depends_on`.

    `depends_on` holds the task's own list, then the document's `dependencies`, then the conditionals that
    choose it, without repeats.
    """

    id: str
    type: str
    name: str = ""
    description: str = ""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    depends_on: tuple[str, ...] = ()
    condition: str | None = None
    foreach: JsonValue = None
    foreach_concurrency: Annotated[StrictInt, Field(ge=1)] | None = None

    @property
    def is_conditional(self) -> bool:
        """Whether the task chooses between branches."""
        return self.type == "conditional"

    @property
    def branches(self) -> tuple[str, ...]:
        """The ids a conditional chooses from: true_task, then false_task; empty for any other task."""
        if not self.is_conditional:
            return ()
        targets = (self.parameters.get(key) for key in ("true_task", "false_task"))
        return tuple(target for target in targets if isinstance(target, str))


class ParamSpec(SpecModel):
    """One declared parameter of a DAG, in the words of JSON Schema.

    Without a default a parameter is required, unless it says `required: false`; then it may be null.
    """

    type: ParamType = "string"
    format: ParamFormat | None = None
    title: str = ""
    description: str = ""
    default: JsonValue = None
    required: StrictBool = True
    enum: tuple[JsonValue, ...] | None = None
    minimum: Number | None = None
    maximum: Number | None = None
    pattern: Annotated[str, Field(max_length=1000)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _required_without_default(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and "required" not in raw:
            return {**raw, "required": "default" not in raw}
        return raw


class ScheduleSpec(SpecModel):
    """When runs start by themselves: exactly one of cron, interval and at.

    Times without an offset are in `timezone`. `jitter` delays each start by up to that long.
    """

    cron: str | None = None
    interval: PositiveDuration | None = None
    at: Moment | None = None
    timezone: str = "UTC"
    catchup: Literal["none", "latest", "all"] = "none"
    overlap: Literal["skip", "queue", "cancel_running", "allow"] = "skip"
    start: Moment | None = None
    end: Moment | None = None
    jitter: Duration = 0.0

    @model_validator(mode="after")
    def _exactly_one(self) -> ScheduleSpec:
        given = [name for name in ("cron", "interval", "at") if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"both {' and '.join(given)}" if given else "none of them"
            raise PydanticCustomError(
                "bad_schedule",
                "must have exactly one of cron, interval and at; it has {found}",
                {"found": found},
            )
        return self


class ConfigSpec(SpecModel):
    """Limits and labels of the DAG's runs; None is no limit."""

    max_active_runs: Annotated[StrictInt, Field(ge=1)] | None = None
    max_parallel_tasks: Annotated[StrictInt, Field(ge=1)] | None = None
    timeout: PositiveDuration | None = None
    tags: tuple[str, ...] = ()
    owner: str = ""


class DagHeader(SpecModel):
    """What a document says of itself; `version` is a free label, since the system numbers versions itself."""

    id: str
    name: str = ""
    description: str = ""
    version: Label = ""


class DagSpec(DagHeader):
    """A whole DAG; `tasks` and `params` keep the order of the document."""

    params: dict[str, ParamSpec] = Field(default_factory=dict)
    schedule: ScheduleSpec | None = None
    config: ConfigSpec = ConfigSpec()
    tasks: dict[str, TaskSpec] = Field(default_factory=dict)

    def upstreams(self) -> dict[str, tuple[str, ...]]:
        """The graph: each task's id with the ids it waits for, in document order."""
        return {task.id: task.depends_on for task in self.tasks.values()}
