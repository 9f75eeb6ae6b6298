"""What the first page of the admin shows of us: how much went through, what fails, what stands still, who works."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from django.contrib.auth.models import AbstractUser
from django.core.cache import cache
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from workflows.admin import charts, show
from workflows.admin.bases import list_url, may
from workflows.conf import conf
from workflows.core.states import RunState
from workflows.engine import approvals, overview
from workflows.engine.overview import Ended, Failures, Stuck
from workflows.models import DagRun, Node

_RUNS = 10
_NODES = 12
_KINDS: dict[str, tuple[str, Promise]] = {
    "quiet": ("silent", _("running, and quiet")),
    "retrying": ("retrying", _("fails again and again")),
    "queued": ("queued", _("queued unusually long")),
}


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One number at the top, and where it leads."""

    label: str | Promise
    value: str
    url: str
    kind: str = ""  # "warn" or "bad" when somebody should look


@dataclass(frozen=True, slots=True, kw_only=True)
class FailureLine:
    """Failures that look alike."""

    group: Failures
    reason: str
    ago: str

    @property
    def tasks(self) -> str:
        """The first tasks by name, and how many more there are."""
        more = len(self.group.tasks) - 2
        return ", ".join(self.group.tasks[:2]) + (f" +{more}" if more > 0 else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class StuckLine:
    """A task that stands still."""

    task: Stuck
    badge: SafeString
    says: Promise
    since: str


def context(request: HttpRequest) -> dict[str, Any]:
    """The page's context: at most a dozen short queries, and nothing that the user may not read."""
    sees_runs, sees_nodes = may(request, "view_dagrun"), may(request, "view_node")
    sees_tasks = sees_runs and may(request, "view_taskexecution")
    sees_queues = may(request, "view_nodepool")
    return {
        "sees_runs": sees_runs,
        "sees_tasks": sees_tasks,
        "sees_nodes": sees_nodes,
        "sees_queues": sees_queues,
        **(_of_runs() if sees_runs else {}),
        "failures": list(_failures()) if sees_tasks else [],
        "failure_days": overview.FAILURE_DAYS,
        "stuck": list(_stuck()) if sees_tasks else [],
        "queues": overview.queues() if sees_queues else [],
        "nodes": _nodes() if sees_nodes else [],
        "approvals": _approvals(request),
        "approvals_url": list_url("approval", progress="open"),
        "failed_url": list_url("dagrun", state__exact=RunState.FAILED.value),
        "runs_url": list_url("dagrun"),
        "flower_url": conf.FLOWER_URL if sees_nodes else "",
    }


def _of_runs() -> dict[str, Any]:
    hours = overview.throughput()
    zone = timezone.get_current_timezone_name()
    return {
        "last_runs": _runs(),
        "tiles": list(_tiles(overview.last_day(hours))),
        "throughput": charts.hours(hours),
        "calendar": charts.calendar(_days(zone), timezone.localdate()),
    }


def _days(zone: str) -> dict[date, Ended]:
    """Half a year of runs by day: counted once a minute, not for each look at the first page."""
    return cache.get_or_set(f"celeriac:calendar:{zone}", lambda: overview.calendar(zone), 60) or {}


def _tiles(day: Ended) -> Iterator[Tile]:
    unfinished = DagRun.objects.live().unfinished().count()
    yield Tile(label=_("unfinished runs"), value=str(unfinished), url=list_url("dagrun", progress="unfinished"))
    yield Tile(label=_("ended in 24 hours"), value=str(day.total), url=list_url("dagrun", progress="over"))
    failed = list_url("dagrun", state__exact=RunState.FAILED.value)
    yield Tile(label=_("failed in 24 hours"), value=str(day.failed), url=failed, kind="bad" if day.failed else "")
    told = day.success + day.failed
    rate = f"{100 * day.success / told:.0f} %" if told else "–"
    yield Tile(label=_("succeeded in 24 hours"), value=rate, url=list_url("dagrun", state__exact="success"))


def _approvals(request: HttpRequest) -> int:
    """How many open approvals the user may answer."""
    user = request.user
    return approvals.open_to(user).count() if isinstance(user, AbstractUser) else 0


def _runs() -> list[RunLine]:
    runs = DagRun.objects.live().order_by("-id")
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
        for row in rows[:_RUNS]
    ]


def _failures() -> Iterator[FailureLine]:
    for group in overview.failures():
        yield FailureLine(group=group, reason=show.reason(group.reason), ago=show.duration(group.last_at))


def _stuck() -> Iterator[StuckLine]:
    for task in overview.stuck():
        state, says = _KINDS[task.kind]
        yield StuckLine(task=task, badge=show.badge(state), says=says, since=show.seconds(task.seconds))


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
