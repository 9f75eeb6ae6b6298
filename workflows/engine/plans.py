"""Plans by version, cached in the process: a version never changes."""

from __future__ import annotations

from functools import lru_cache

from workflows.core.plan import Plan
from workflows.engine import sql


@lru_cache(maxsize=64)
def plan_of(version_id: int) -> Plan:
    """The plan of a version."""
    rows = sql.run("SELECT plan FROM workflows_dagversion WHERE id = %s", (version_id,))
    return Plan.from_json(rows[0][0])


@lru_cache(maxsize=4096)
def version_number(version_id: int) -> int:
    """The number that people know the version by."""
    return int(sql.run("SELECT number FROM workflows_dagversion WHERE id = %s", (version_id,))[0][0])
