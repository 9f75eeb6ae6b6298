"""What the first page of the admin shows of us: the last runs, what fails, and who is there to work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.http import HttpRequest
from django.utils.safestring import SafeString

from workflows.admin import show
from workflows.admin.bases import list_url, may
from workflows.conf import conf
from workflows.core.states import RunState
from workflows.engine import approvals
from workflows.models import DagRun, Node

_RUNS = 12
_FAILING = 8
_NODES = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLine:
    """One run in a short list."""

    id: int
    dag: str
    badge: SafeString
    paused: bool
    created: str  # how long ago
    ended: str  # how long ago
    duration: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeLine:
    """One node in a short list."""

    id: int
    name: str
    badge: SafeString
    running: int
    concurrency: int
    heartbeat_at: datetime


def context(request: HttpRequest) -> dict[str, Any]:
    """The block's context: five short queries, and nothing that the user may not read."""
    sees_runs, sees_nodes = may(request, "view_dagrun"), may(request, "view_node")
    return {
        "sees_runs": sees_runs,
        "sees_nodes": sees_nodes,
        "last_runs": _runs() if sees_runs else [],
        "failing": _runs(RunState.FAILED, _FAILING) if sees_runs else [],
        "unfinished": DagRun.objects.live().unfinished().count() if sees_runs else 0,
        "nodes": _nodes() if sees_nodes else [],
        "approvals": _approvals(request),
        "approvals_url": list_url("approval", progress="open"),
        "failed_url": list_url("dagrun", state__exact=RunState.FAILED.value),
        "unfinished_url": list_url("dagrun", progress="unfinished"),
        "flower_url": conf.FLOWER_URL if sees_nodes else "",
    }


def _approvals(request: HttpRequest) -> int:
    """How many open approvals the user may answer."""
    user = request.user
    return approvals.open_to(user).count() if isinstance(user, AbstractUser) else 0


def _runs(state: RunState | None = None, limit: int = _RUNS) -> list[RunLine]:
    runs = DagRun.objects.live().order_by("-id")
    if state is not None:
        runs = runs.filter(state=state)
    rows = runs.values("id", "dag__dag_id", "state", "paused_at", "created_at", "started_at", "ended_at")
    return [
        RunLine(
            id=row["id"],
            dag=row["dag__dag_id"],
            badge=show.badge(row["state"]),
            paused=row["paused_at"] is not None and row["ended_at"] is None,
            created=show.duration(row["created_at"]),
            ended=show.duration(row["ended_at"]),
            duration=show.duration(row["started_at"], row["ended_at"]),
        )
        for row in rows[:limit]
    ]


def _nodes() -> list[NodeLine]:
    """Nodes that did not stop in good order: alive ones and silent ones."""
    return [
        NodeLine(
            id=node.pk,
            name=node.name,
            badge=show.badge(show.node_state(node)),
            running=node.running,
            concurrency=node.concurrency,
            heartbeat_at=node.heartbeat_at,
        )
        for node in Node.objects.filter(stopped_at__isnull=True).order_by("-heartbeat_at", "name")[:_NODES]
    ]
