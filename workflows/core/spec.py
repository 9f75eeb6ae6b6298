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
CHOOSERS = frozenset(("conditional", "switch"))  # types whose tasks choose which of the tasks below go on
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
    try:
        return datetime.fromisoformat(value.strip() if isinstance(value, str) else "")
    except ValueError as error:
        raise ValueError(
            'is not a time: write a date or a date and time in ISO form, such as "2025-01-31T02:00"'
        ) from error


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
# What the tables have room for: a longer text is a problem with its place, not an error of the database.
Name = Annotated[str, Field(max_length=250)]
Owner = Annotated[str, Field(max_length=200)]
Tag = Annotated[str, Field(max_length=100)]


class SpecModel(BaseModel):
    """Base of the specification: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, use_attribute_docstrings=True)


class RetrySpec(SpecModel):
    """How often and how patiently a failed task is tried again; `max_attempts` counts the first try."""

    max_attempts: Annotated[StrictInt, Field(ge=1, le=1000)] = 1
    """Tries in all, the first one included."""
    delay: Duration = 0.0
    """Wait before the second try."""
    backoff: Annotated[Number, Field(ge=1, le=100)] = 1.0
    """Factor by which the delay grows with each failure."""
    max_delay: Duration | None = None
    """Longest wait between two tries."""
    jitter: StrictBool = False
    """Shorten each wait by up to half at random, so that tasks that failed together come back apart."""


class ResourcesSpec(SpecModel):
    """What a task needs of a node; None asks for nothing in particular."""

    cpu: Annotated[Cpu, Field(ge=0)] | None = None
    """Cores: 0.5 or "500m"."""
    memory: Bytes | None = None
    """Bytes: 536870912 or "512Mi"."""
    gpu: Annotated[StrictInt, Field(ge=0)] | None = None
    """Whole devices."""
    storage: Bytes | None = None
    """Bytes of scratch space: "10Gi"."""
    labels: dict[str, str] = Field(default_factory=dict)
    """Labels that the node must have."""
    tolerations: tuple[str, ...] = ()
    """Taints of nodes that the task puts up with."""


class TaskDefaults(SpecModel):
    """The fields of a task that a document's `defaults` may give for all its tasks."""

    pool: Annotated[str, Field(min_length=1, max_length=100)] = "default"
    """The pool of workers that runs the task."""
    priority: Annotated[StrictInt, Field(ge=0, le=9)] = 5
    """9 goes first, 0 last."""
    resources: ResourcesSpec = ResourcesSpec()
    """What the task needs of its node."""
    retry: RetrySpec = RetrySpec()
    """Whether and when a failed task is tried again."""
    timeout: PositiveDuration | None = None
    """Longest time of one attempt."""
    trigger_rule: TriggerRule = TriggerRule.ALL_SUCCESS
    """When the task may start, in terms of how its upstreams settled."""
    allow_failure: StrictBool = False
    """Whether a failure counts as a success for what comes after, and for the run."""
    at_most_once: StrictBool = False
    """Never try again once a worker has started the task, even if that worker is lost."""
    pool_slots: Annotated[StrictInt, Field(ge=1, le=1000)] = 1
    """How many slots of its pool the task holds while it runs; matters where the pool has a limit."""


class TaskSpec(TaskDefaults):
    """One task, with defaults merged in and every upstream in `depends_on`.

    `depends_on` holds the task's own list, then the document's `dependencies`, then the tasks that
    choose it, without repeats.
    """

    id: str
    """The task's name in the graph and in expressions: tasks.ID.output."""
    type: str
    """What kind of work it is: shell, python, sql, http, celery, conditional, switch, subdag, …"""
    name: str = ""
    """What people read; the id when empty."""
    description: str = ""
    """What the task is for."""
    parameters: dict[str, JsonValue] = Field(default_factory=dict)
    """What the task type takes; its texts may hold {{ expressions }}."""
    depends_on: tuple[str, ...] = ()
    """The ids of the tasks that this one waits for."""
    condition: str | None = None
    """An expression; the task is skipped when it is false."""
    foreach: JsonValue = None
    """Run the task once for each item: a list, a mapping, or an expression that gives one."""
    foreach_concurrency: Annotated[StrictInt, Field(ge=1)] | None = None
    """How many items run at one time; no limit when left out."""

    @property
    def chooses(self) -> bool:
        """Whether the task chooses between branches."""
        return self.type in CHOOSERS

    @property
    def choices(self) -> tuple[tuple[tuple[str | int, ...], str], ...]:
        """(place in the parameters, task id) of each choice, in the order in which they are written."""
        if self.type == "conditional":
            places: list[tuple[tuple[str | int, ...], Any]] = [
                ((key,), self.parameters.get(key)) for key in ("true_task", "false_task")
            ]
        elif self.type == "switch":
            cases = self.parameters.get("cases")
            listed = enumerate(cases) if isinstance(cases, list) else ()
            places = [(("cases", at, "task"), case.get("task")) for at, case in listed if isinstance(case, dict)]
            places.append((("default",), self.parameters.get("default")))
        else:
            return ()
        return tuple((place, target) for place, target in places if isinstance(target, str) and target)

    @property
    def branches(self) -> tuple[str, ...]:
        """The ids that the task chooses from, without repeats; empty for a task that chooses nothing."""
        return tuple(dict.fromkeys(target for _, target in self.choices))


class ParamSpec(SpecModel):
    """One declared parameter of a DAG, in the words of JSON Schema.

    Without a default a parameter is required, unless it says `required: false`; then it may be null.
    """

    type: ParamType = "string"
    """The JSON type of the value."""
    format: ParamFormat | None = None
    """What kind of text it is."""
    title: str = ""
    """What the launch form shows."""
    description: str = ""
    """What the parameter is for."""
    default: JsonValue = None
    """The value when none is given; may hold {{ expressions }} over run and dag."""
    required: StrictBool = True
    """Whether a run must be given a value; true when there is no default."""
    enum: tuple[JsonValue, ...] | None = None
    """The values to choose from."""
    minimum: Number | None = None
    """Smallest number."""
    maximum: Number | None = None
    """Largest number."""
    pattern: Annotated[str, Field(max_length=1000)] | None = None
    """A regular expression that the text must contain a match of; ^ and $ tie it down."""

    @model_validator(mode="before")
    @classmethod
    def _required_without_default(cls, raw: Any) -> Any:
        if isinstance(raw, dict) and "required" not in raw:
            return {**raw, "required": "default" not in raw}
        return raw


def _read_ids(value: object) -> object:
    return (value,) if isinstance(value, str) else value


DagIds = Annotated[
    tuple[str, ...],
    BeforeValidator(_read_ids),
    Field(min_length=1, max_length=100),
    WithJsonSchema(
        {"anyOf": [{"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 100}, {"type": "string"}]}
    ),
]


class ScheduleSpec(SpecModel):
    """When runs start by themselves: exactly one of cron, interval, at and after.

    Times without an offset are in `timezone`. `jitter` delays each start by up to that long.
    """

    cron: str | None = None
    """minute hour day month weekday, with seconds in front if there are six, or @daily and the like."""
    interval: Annotated[Duration, Field(ge=1)] | None = None
    """Time from one run to the next, counted from `start`, or else from 1970-01-01T00:00Z."""
    at: Moment | None = None
    """One run at this time."""
    after: DagIds | None = None
    """The id of another DAG, or a list of ids: one run for each logical date for which all of them succeeded."""
    timezone: str = "UTC"
    """An IANA name, such as Europe/Berlin."""
    catchup: Literal["none", "latest", "all"] = "none"
    """What happens to the times missed while nothing ran."""
    overlap: Literal["skip", "queue", "cancel_running", "allow"] = "skip"
    """What happens when the previous scheduled run is still going."""
    start: Moment | None = None
    """No run before this time."""
    end: Moment | None = None
    """No run from this time on."""
    jitter: Duration = 0.0
    """Delay each start by up to this much."""

    @model_validator(mode="after")
    def _exactly_one(self) -> ScheduleSpec:
        given = [name for name in SCHEDULE_KINDS if getattr(self, name) is not None]
        if len(given) != 1:
            found = f"both {' and '.join(given)}" if given else "none of them"
            raise PydanticCustomError(
                "bad_schedule",
                "must have exactly one of cron, interval, at and after; it has {found}",
                {"found": found},
            )
        if self.after is not None:
            fields = ScheduleSpec.model_fields
            useless = [name for name in _TIMED if getattr(self, name) != fields[name].default]
            if useless:
                words = "has no use for {names}: an `after` has no times of its own"
                raise PydanticCustomError("bad_schedule", words, {"names": ", ".join(useless)})
        return self


SCHEDULE_KINDS = ("cron", "interval", "at", "after")
_TIMED = ("timezone", "catchup", "overlap", "start", "end", "jitter")


class ConfigSpec(SpecModel):
    """Limits and labels of the DAG's runs; None is no limit."""

    max_active_runs: Annotated[StrictInt, Field(ge=1)] | None = None
    """Runs of the DAG at one time."""
    max_parallel_tasks: Annotated[StrictInt, Field(ge=1)] | None = None
    """Tasks of one run at one time."""
    priority: Annotated[StrictInt, Field(ge=0, le=9)] | None = None
    """Of runs, and of their tasks that have none of their own: 9 goes first, 0 last."""
    timeout: PositiveDuration | None = None
    """Longest time of a run."""
    late_after: PositiveDuration | None = None
    """How long after it was asked for a run that has not ended is late, which callbacks can tell."""
    tags: tuple[Tag, ...] = ()
    """Words to find the DAG by."""
    owner: Owner = ""
    """Who answers for it."""


CallbackEvent = Literal["run_succeeded", "run_failed", "run_cancelled", "run_late", "task_failed", "task_retried"]


class WebhookSpec(SpecModel):
    """A request that tells somebody of an event; it is signed, and repeated until it is answered well."""

    url: Annotated[str, Field(min_length=1, max_length=2000)]
    """http or https; private addresses are refused unless the setting HTTP_ALLOW_PRIVATE has them."""
    headers: dict[str, Annotated[str, Field(max_length=4000)]] = Field(default_factory=dict)
    """More headers to send."""


class EmailSpec(SpecModel):
    """An e-mail that tells somebody of an event."""

    to: Annotated[tuple[Annotated[str, Field(max_length=254)], ...], Field(min_length=1, max_length=50)]
    """The addresses."""
    subject: Annotated[str, Field(max_length=500)] = ""
    """May hold {{ expressions }} over event, dag, run and task; a sentence of our own when empty."""
    body: Annotated[str, Field(max_length=10_000)] = ""
    """The same."""


def _read_names(value: object) -> object:
    return (value,) if isinstance(value, str) else value


class CallbackSpec(SpecModel):
    """Who is told of what: exactly one of webhook and email."""

    on: Annotated[tuple[CallbackEvent, ...], BeforeValidator(_read_names), Field(min_length=1)]
    """The events, or the one event, that it is about."""
    webhook: WebhookSpec | None = None
    """Send a request."""
    email: EmailSpec | None = None
    """Send an e-mail."""

    @model_validator(mode="after")
    def _exactly_one(self) -> CallbackSpec:
        if (self.webhook is None) == (self.email is None):
            raise PydanticCustomError("bad_callback", "must have exactly one of webhook and email")
        return self


class DagHeader(SpecModel):
    """What a document says of itself; `version` is a free label, since the system numbers versions itself."""

    id: str
    """The DAG's name in commands, addresses and sub-DAG tasks."""
    name: Name = ""
    """What people read; the id when empty."""
    description: str = ""
    """What the DAG is for."""
    version: Label = ""
    """A label of yours; versions are numbered by themselves."""


class DagSpec(DagHeader):
    """A whole DAG; `tasks` and `params` keep the order of the document."""

    params: dict[str, ParamSpec] = Field(default_factory=dict)
    """The parameters of a run."""
    schedule: ScheduleSpec | None = None
    """When runs start by themselves."""
    config: ConfigSpec = ConfigSpec()
    """Limits and labels."""
    callbacks: tuple[CallbackSpec, ...] = ()
    """Who is told of the ends and failures of its runs."""
    tasks: dict[str, TaskSpec] = Field(default_factory=dict)
    """The tasks, by id."""

    def upstreams(self) -> dict[str, tuple[str, ...]]:
        """The graph: each task's id with the ids it waits for, in document order."""
        return {task.id: task.depends_on for task in self.tasks.values()}
