"""From the data of a document to its specification: structure only, every problem at once.

What is wrong is noted and left out, and reading goes on, so that one broken task hides neither the problems
of others nor a cycle among them. What the document means (names, graph, expressions) is for `core.validate`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from workflows.core.errors import Problem
from workflows.core.naming import below, describe, did_you_mean
from workflows.core.places import Places
from workflows.core.reading import Reading
from workflows.core.spec import CallbackSpec, ConfigSpec, DagHeader, DagSpec, ParamSpec, ScheduleSpec
from workflows.core.task_reader import read_tasks

MAX_CALLBACKS = 50
TOP_FIELDS = (*DagHeader.model_fields, "params", "schedule", "config", "callbacks", "defaults", "tasks", "dependencies")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed:
    """What a document says. `spec` is None when there is any problem.

    `draft` is what could be read in spite of problems; only checks may use it. `data` is the document as
    data, and `places` leads from the specification back to it.
    """

    spec: DagSpec | None
    problems: tuple[Problem, ...]
    draft: DagSpec | None = None
    data: Any = None
    places: Places = field(default_factory=Places)


def parse(data: Any, *, lines: Mapping[str, tuple[int, int]] | None = None) -> Parsed:
    """The specification of a document, or everything that is wrong with its structure; never raises."""
    reading = Reading()
    if isinstance(data, Mapping) and "template" in data and "dag" in data and "tasks" not in data:
        draft = None
        message = "is a template, not a DAG: store it as one (template_import), then generate DAGs from it"
        reading.problem("wrong_type", "", message)
    elif isinstance(data, Mapping):
        draft = _read(reading, reading.mapping(data, ""))
    else:
        draft = None
        found = "nothing" if data is None else describe(data)
        reading.problem("wrong_type", "", f"must be a mapping with id and tasks, not {found}")
    problems = reading.places.locate(reading.problems, lines)
    return Parsed(spec=None if problems else draft, problems=problems, draft=draft, data=data, places=reading.places)


def _read(reading: Reading, data: Mapping[str, Any]) -> DagSpec:
    for key in data:
        if key not in TOP_FIELDS:
            message = f"is not a field of a DAG{did_you_mean(key, TOP_FIELDS)}"
            reading.problem("unknown_field", below("", key), message)
    header = _header(reading, data)
    return DagSpec.model_construct(
        id=header.id,
        name=header.name,
        description=header.description,
        version=header.version,
        params=_params(reading, data.get("params")),
        schedule=_schedule(reading, data.get("schedule")),
        config=_config(reading, data.get("config")),
        callbacks=_callbacks(reading, data.get("callbacks")),
        tasks=read_tasks(reading, data),
    )


def _header(reading: Reading, data: Mapping[str, Any]) -> DagHeader:
    given = {key: data[key] for key in DagHeader.model_fields if data.get(key) is not None}
    return reading.model(DagHeader, given, "") or DagHeader(
        id="", **{key: value for key, value in given.items() if key != "id" and isinstance(value, str)}
    )


def _params(reading: Reading, raw: Any) -> dict[str, ParamSpec]:
    params = {}
    for name, fields in reading.mapping(raw, "params").items():
        path = below("params", name)
        # A broken declaration still declares the name.
        params[name] = reading.model(ParamSpec, reading.mapping(fields, path), path) or ParamSpec()
    return params


def _schedule(reading: Reading, raw: Any) -> ScheduleSpec | None:
    if raw is None:
        return None
    fields = {"cron": raw} if isinstance(raw, str) else reading.mapping(raw, "schedule")
    if isinstance(raw, str):
        reading.places.moved["schedule.cron"] = "schedule"
    return reading.model(ScheduleSpec, fields, "schedule") if isinstance(raw, (str, Mapping)) else None


def _config(reading: Reading, raw: Any) -> ConfigSpec:
    return reading.model(ConfigSpec, reading.mapping(raw, "config"), "config") or ConfigSpec()


def _callbacks(reading: Reading, raw: Any) -> tuple[CallbackSpec, ...]:
    if raw is None:
        return ()
    if not isinstance(raw, (list, tuple)):
        reading.problem("wrong_type", "callbacks", f"must be a list of callbacks, not {describe(raw)}")
        return ()
    if len(raw) > MAX_CALLBACKS:
        reading.problem("out_of_range", "callbacks", f"must have at most {MAX_CALLBACKS} items")
    callbacks = []
    for index, each in enumerate(raw):
        path = below("callbacks", index)
        fields = reading.mapping(each, path)
        callback = reading.model(CallbackSpec, fields, path) if isinstance(each, Mapping) else None
        callbacks += [callback] if callback is not None else []
    return tuple(callbacks)
