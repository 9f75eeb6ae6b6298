"""What a version was compiled to and what it declares, cached in the process: a version never changes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from workflows.core import formats
from workflows.core.parse import parse
from workflows.core.plan import Plan
from workflows.core.spec import ParamSpec, ScheduleSpec
from workflows.engine import sql


@lru_cache(maxsize=64)
def plan_of(version_id: int) -> Plan:
    """The plan of a version."""
    rows = sql.read("SELECT plan FROM workflows_dagversion WHERE id = %s", (version_id,))
    return Plan.from_json(rows[0][0])


def readable(version_id: int) -> Plan | None:
    """The plan of a version, or None when it is of another release: what else there is can be shown all the same."""
    try:
        return plan_of(version_id)
    except (ValueError, TypeError, KeyError):
        return None


@lru_cache(maxsize=256)
def params_of(version_id: int) -> Mapping[str, ParamSpec]:
    """The parameters that a version declares, in the order of its text, which jsonb forgets."""
    rows = sql.read("SELECT source, source_format FROM workflows_dagversion WHERE id = %s", (version_id,))
    data = formats.load(rows[0][0], format=rows[0][1], max_bytes=formats.UNLIMITED).data
    parsed = parse({"id": data["id"], "params": data.get("params") or {}, "tasks": {"any": {"type": "any"}}})
    assert parsed.spec is not None, parsed.problems
    return parsed.spec.params


@lru_cache(maxsize=256)
def schedule_of(version_id: int) -> ScheduleSpec | None:
    """When runs of a version start by themselves; None: never."""
    rows = sql.read(
        "SELECT document -> 'id', document -> 'schedule' FROM workflows_dagversion WHERE id = %s", (version_id,)
    )
    parsed = parse({"id": rows[0][0], "schedule": rows[0][1], "tasks": {"any": {"type": "any"}}})
    assert parsed.spec is not None, parsed.problems
    return parsed.spec.schedule


@lru_cache(maxsize=4096)
def callbacks_of(version_id: int) -> tuple[Mapping[str, Any], ...]:
    """The callbacks of a version, without the rest of its plan."""
    rows = sql.read("SELECT plan -> 'callbacks' FROM workflows_dagversion WHERE id = %s", (version_id,))
    return tuple(rows[0][0] or ()) if rows else ()


@lru_cache(maxsize=4096)
def version_number(version_id: int) -> int:
    """The number that people know the version by."""
    return int(sql.read("SELECT number FROM workflows_dagversion WHERE id = %s", (version_id,))[0][0])


def forget() -> None:
    """Empty the caches: this process speaks to another database from now on."""
    for cached in (plan_of, params_of, schedule_of, version_number, callbacks_of):
        cached.cache_clear()
