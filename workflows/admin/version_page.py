"""What the page of a version shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from workflows.admin import show
from workflows.admin.bases import list_url
from workflows.core.plan import Plan, PlannedTask
from workflows.engine import compare, plans
from workflows.models import Dag, DagVersion

LARGE = ("document", "plan", "source", "layout")  # columns that lists of versions never load
TASKS_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedLine:
    """One task of the plan as the table shows it."""

    id: str
    type: str
    upstream: str
    rule: str
    pool: str
    tries: int
    timeout: str


def label(version: DagVersion) -> str:
    """The version as people call it."""
    return f"{version.dag.dag_id} v{version.number}"


def version_lines(dag: Dag, limit: int) -> list[DagVersion]:
    """The newest versions of a DAG, without their large columns."""
    return list(dag.versions.select_related("created_by").defer(*LARGE).order_by("-number")[:limit])


def context(version: DagVersion) -> dict[str, Any]:
    """The page's context."""
    plan = plans.readable(version.pk)
    return {
        "title": label(version),
        "version": version,
        "dag": version.dag,
        "current": version.dag.current_version_id == version.pk,
        "plan": plan,
        "segments": _segments(plan) if plan else "",
        "lines": list(_lines(plan)) if plan else [],
        "hidden": max(0, version.task_count - TASKS_SHOWN),
        "runs_url": list_url("dagrun", version__id__exact=version.pk),
    }


def changes(version: DagVersion) -> dict[str, Any]:
    """The context of the page that compares a version with the one before it."""
    found = compare.versions(version.dag.dag_id, new=version.number)
    names = {"dag": version.dag.dag_id, "old": found.old, "new": found.new}
    return {
        "title": _("%(dag)s: from version %(old)d to %(new)d") % names,
        "version": version,
        "dag": version.dag,
        "difference": found.difference,
        "lines": list(show.diff_lines(found.difference)),
    }


def _segments(plan: Plan) -> str:
    counts: dict[str, int] = {}
    for segment in plan.segments:
        counts[segment.kind] = counts.get(segment.kind, 0) + 1
    return ", ".join(f"{count} × {kind}" for kind, count in sorted(counts.items()))


def _lines(plan: Plan) -> Iterator[PlannedLine]:
    for task in plan.tasks[:TASKS_SHOWN]:
        yield PlannedLine(
            id=task.id,
            type=task.type,
            upstream=_names(plan, task),
            rule=show.reason(task.rule.value),
            pool=task.pool,
            tries=task.retry.max_attempts,
            timeout=show.seconds(task.timeout) if task.timeout else "",
        )


def _names(plan: Plan, task: PlannedTask) -> str:
    names = [plan.tasks[position].id for position in task.upstream[:8]]
    more = len(task.upstream) - len(names)
    return ", ".join(names) + (" " + _("and %d more") % more if more > 0 else "")
