"""What the page of a run shows: a bounded number of queries and rows, however large the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import TextField
from django.db.models.functions import Cast, Left
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from workflows.admin import show
from workflows.admin.bases import may
from workflows.admin.run_actions import VERBS
from workflows.engine import queries
from workflows.models import DagRun, Event

PER_PAGE = 200
EVENTS_SHOWN = 200
CHILDREN_SHOWN = 50
_PREVIEW = 120
_MESSAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """One task execution in the table."""

    id: int
    name: str
    badge: SafeString
    reason: str
    message: str
    waiting_on: int
    attempt: int
    started_at: datetime | None
    duration: str
    node: str
    output: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EventLine:
    """One event in the table."""

    at: datetime
    task: str
    execution_id: int | None
    attempt: int
    old: SafeString | str
    new: SafeString
    why: str
    node: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One state of the filter above the tasks, with the number of tasks in it."""

    badge: SafeString
    state: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where the reader is among the tasks."""

    number: int
    count: int
    state: str

    @property
    def before(self) -> int | None:
        """The page before this one."""
        return self.number - 1 if self.number > 1 else None

    @property
    def after(self) -> int | None:
        """The page after this one."""
        return self.number + 1 if self.number < self.count else None


def context(request: HttpRequest, run: DagRun) -> dict[str, Any]:
    """The live part of the page: all of it below the title."""
    return {
        "run": run,
        "state": show.badge(run.state),
        "reason": show.reason(run.reason),
        "paused": show.badge("paused") if run.paused_at and run.ended_at is None else "",
        "deleted": show.badge("deleted") if run.deleted_at else "",
        "duration": show.duration(run.started_at, run.ended_at),
        "params": show.pretty(run.params) if run.params else "",
        "verbs": [v.name for v in VERBS.values() if v.applies(run) and may(request, v.permission)],
        "children": _children(run),
        **(_tasks(request, run) if may(request, "view_taskexecution") else {"sees_tasks": False}),
        "events": event_lines(run) if may(request, "view_event") else None,
        "events_shown": EVENTS_SHOWN,
    }


def _tasks(request: HttpRequest, run: DagRun) -> dict[str, Any]:
    counts = {state.value: count for state, count in queries.state_counts(run.pk).items()}
    state = request.GET.get("state", "")
    state = state if state in show.STATE_ORDER else ""
    page = _page(request, counts, state)
    return {
        "sees_tasks": True,
        "total": sum(counts.values()),
        "chips": _chips(counts, state),
        "page": page,
        "lines": task_lines(run, page),
    }


def _page(request: HttpRequest, counts: Mapping[str, int], state: str) -> Page:
    rows = counts.get(state, 0) if state else sum(counts.values())
    last = max(1, -(-rows // PER_PAGE))
    asked = request.GET.get("p", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 1
    return Page(number=min(max(1, number), last), count=last, state=state)


def _chips(counts: Mapping[str, int], chosen: str) -> list[Chip]:
    return [
        Chip(badge=show.badge(state, count=counts.get(state, 0)), state=state, chosen=state == chosen)
        for state in show.STATE_ORDER
        if counts.get(state) or state == chosen
    ]


def task_lines(run: DagRun, page: Page) -> list[TaskLine]:
    """One page of the run's tasks in plan order. Outputs are cut in the database: each may be large."""
    tasks = run.tasks.filter(state=page.state) if page.state else run.tasks.all()
    start = (page.number - 1) * PER_PAGE
    rows = (
        tasks.order_by("position", "map_index")
        .annotate(preview=Left(Cast("output", TextField()), _PREVIEW), told=Left("message", _MESSAGE))
        .values(
            *("id", "task_id", "map_index", "state", "reason", "waiting_on", "attempt", "node"),
            *("started_at", "ended_at", "preview", "told"),
        )
    )
    return [_task_line(row) for row in rows[start : start + PER_PAGE]]


def _task_line(row: Mapping[str, Any]) -> TaskLine:
    name = row["task_id"] if row["map_index"] < 0 else f"{row['task_id']}[{row['map_index']}]"
    return TaskLine(
        id=row["id"],
        name=name,
        badge=show.badge(row["state"]),
        reason=show.reason(row["reason"]) if row["reason"] != row["state"] else "",
        message=row["told"],
        waiting_on=row["waiting_on"] if row["state"] == "pending" else 0,
        attempt=row["attempt"],
        started_at=row["started_at"],
        duration=show.duration(row["started_at"], row["ended_at"]),
        node=row["node"],
        output=row["preview"] or "",
    )


def event_lines(run: DagRun, execution_id: int | None = None, limit: int = EVENTS_SHOWN) -> list[EventLine]:
    """The last events of a run, or of one task in it, newest first."""
    events = Event.objects.filter(run_id=run.pk)
    if execution_id is not None:
        events = events.filter(task_execution_id=execution_id)
    return [
        EventLine(
            at=event.at,
            task=event.task_id,
            execution_id=event.task_execution_id,
            attempt=event.attempt,
            old=show.badge(event.old) if event.old else "",
            new=show.badge(event.new),
            why=": ".join(part for part in (show.reason(event.reason), event.message) if part),
            node=event.node,
        )
        for event in events.order_by("-seq", "-id")[:limit]
    ]


def _children(run: DagRun) -> list[dict[str, Any]]:
    children = (
        DagRun.objects.filter(parent__run_id=run.pk)
        .order_by("id")
        .values("id", "state", "dag__dag_id", "parent__task_id", "parent_id")
    )
    return [{**child, "badge": show.badge(child["state"])} for child in children[:CHILDREN_SHOWN]]


def fragment_url(request: HttpRequest, run: DagRun) -> str:
    """Where the page's script asks for the live part again, with the reader's filter and page."""
    query = {name: request.GET[name] for name in ("state", "p") if name in request.GET}
    return reverse("admin:workflows_dagrun_fragment", args=[run.pk], query=query or None)
