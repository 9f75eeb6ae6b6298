"""What the page of a run shows: a bounded number of queries and rows, however large the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from django.db.models import TextField
from django.db.models.functions import Cast, Left
from django.http import HttpRequest
from django.urls import reverse
from django.utils.safestring import SafeString

from workflows.admin import designing, mounting, show
from workflows.admin.bases import may
from workflows.admin.run_actions import VERBS
from workflows.core.states import RunState, TaskState
from workflows.engine import queries
from workflows.models import DagRun, Event

PER_PAGE = 200
EVENTS_SHOWN = 200
CHILDREN_SHOWN = 50
_PREVIEW = 120
_DID_NOT_SUCCEED = (TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED)
_MESSAGE = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskLine:
    """One task execution in the table."""

    id: int
    task_id: str
    name: str
    state: str
    badge: SafeString
    reason: str
    message: str
    waiting_on: int
    held: bool
    attempt: int
    started_at: datetime | None
    duration: str
    node: str
    item: str
    output: str
    items: list[SafeString]  # of a mapped task: how many items are in each state
    item_count: int
    items_url: str
    over: bool


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
    url: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Where the reader is among the tasks."""

    number: int
    count: int
    state: str
    items: str  # the mapped task of which the items are shown; "" for the run's tasks

    @property
    def before(self) -> str:
        """The address of the page before this one."""
        return self.url(number=self.number - 1) if self.number > 1 else ""

    @property
    def after(self) -> str:
        """The address of the page after this one."""
        return self.url(number=self.number + 1) if self.number < self.count else ""

    @property
    def all_states(self) -> str:
        """The address without the filter."""
        return self.url(state="", number=1)

    def url(self, *, items: str | None = None, state: str | None = None, number: int | None = None) -> str:
        """The address of another place among the tasks."""
        values = {
            "items": self.items if items is None else items,
            "state": self.state if state is None else state,
            "p": number if number and number > 1 else "",
        }
        return f"?{urlencode({name: value for name, value in values.items() if value})}#tasks"


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


def app_props(request: HttpRequest, run: DagRun) -> dict[str, Any] | None:
    """What the page's front end gets; None for who may not see tasks and events, or where the API is not mounted."""
    if not (may(request, "view_taskexecution") and may(request, "view_event")):
        return None
    any_run = reverse("admin:workflows_dagrun_change", args=[0])
    links = {"run": any_run, "dag": reverse("admin:workflows_dag_change", args=[run.dag_id])}
    if designing.may_see(request):
        links["designer"] = reverse("admin:workflows_dag_designer", args=[run.dag_id])
    verbs = {v.name for v in VERBS.values() if v.applies(run) and may(request, v.permission)}
    if run.deleted_at is None and run.parent_id is None and may(request, VERBS["delete"].permission):
        # The page offers it once the run is over, which it may be while one looks.
        links["delete"] = reverse("admin:workflows_dagrun_delete_softly", args=[run.pk])
    if "restore" in verbs:
        links["restore"] = reverse("admin:workflows_dagrun_restore", args=[run.pk])
    given = mounting.props(request, run=run.pk, links=links)
    return given if given["api"] else None


def may_cut(request: HttpRequest, run: DagRun) -> bool:
    """Whether tasks of the run may be run again and marked from here."""
    return may(request, "change_dagrun") and run.state != RunState.PENDING and run.deleted_at is None


def _tasks(request: HttpRequest, run: DagRun) -> dict[str, Any]:
    counts = queries.counts(run.pk)
    items, position = _mapped(request, run)
    found = counts.tasks if position is None else counts.items.get(position, {})
    shown = {state.value: count for state, count in found.items()}
    state = request.GET.get("state", "")
    page = _page(request, shown, state if state in show.STATE_ORDER else "", items)
    return {
        "sees_tasks": True,
        "total": sum(shown.values()),
        "chips": _chips(shown, page),
        "page": page,
        "lines": task_lines(run, page, position, counts.items),
        "may_cut": may_cut(request, run),
        "may_retry": may_cut(request, run) and any(counts.tasks.get(state) for state in _DID_NOT_SUCCEED),
    }


def _mapped(request: HttpRequest, run: DagRun) -> tuple[str, int | None]:
    """The mapped task of which the items are asked for, with its position; else the run's tasks are shown."""
    name = request.GET.get("items", "")
    if not name:
        return "", None
    position = run.tasks.filter(task_id=name, map_index=-1).values_list("position", flat=True).first()
    return (name, position) if position is not None else ("", None)


def _page(request: HttpRequest, counts: Mapping[str, int], state: str, items: str) -> Page:
    rows = counts.get(state, 0) if state else sum(counts.values())
    last = max(1, -(-rows // PER_PAGE))
    asked = request.GET.get("p", "1")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 1
    return Page(number=min(max(1, number), last), count=last, state=state, items=items)


def _chips(counts: Mapping[str, int], page: Page) -> list[Chip]:
    return [
        Chip(
            badge=show.badge(state, count=counts.get(state, 0)),
            url=page.url(state=state, number=1),
            chosen=state == page.state,
        )
        for state in show.STATE_ORDER
        if counts.get(state) or state == page.state
    ]


def task_lines(
    run: DagRun, page: Page, position: int | None, items: Mapping[int, Mapping[TaskState, int]]
) -> list[TaskLine]:
    """One page of the run's tasks in plan order, or of the items of one. Outputs are cut in the database: each may be
    large."""
    tasks = (
        run.tasks.filter(map_index=-1) if position is None else run.tasks.filter(position=position, map_index__gte=0)
    )
    if page.state:
        tasks = tasks.filter(state=page.state)
    start = (page.number - 1) * PER_PAGE
    rows = (
        tasks.order_by("position", "map_index")
        .annotate(
            preview=Left(Cast("output", TextField()), _PREVIEW),
            value=Left(Cast("item", TextField()), _PREVIEW),
            told=Left("message", _MESSAGE),
        )
        .values(
            *("id", "task_id", "position", "map_index", "state", "reason", "waiting_on", "attempt", "node", "held"),
            *("started_at", "ended_at", "preview", "value", "told"),
        )
    )
    return [_task_line(row, page, items) for row in rows[start : start + PER_PAGE]]


def _task_line(row: Mapping[str, Any], page: Page, items: Mapping[int, Mapping[TaskState, int]]) -> TaskLine:
    counts = items.get(row["position"], {}) if row["map_index"] < 0 else {}
    return TaskLine(
        id=row["id"],
        task_id=row["task_id"],
        name=row["task_id"] if row["map_index"] < 0 else f"{row['task_id']}[{row['map_index']}]",
        state=row["state"],
        badge=show.badge(row["state"]),
        reason=show.reason(row["reason"]) if row["reason"] != row["state"] else "",
        message=row["told"] if not counts else "",
        waiting_on=row["waiting_on"] if row["state"] == "pending" else 0,
        held=row["held"],
        attempt=row["attempt"],
        started_at=row["started_at"],
        duration=show.duration(row["started_at"], row["ended_at"]),
        node=row["node"],
        item=row["value"] or "",
        output=row["preview"] or "" if not counts else "",
        items=[show.badge(state.value, count=counts[state]) for state in TaskState if counts.get(state)],
        item_count=sum(counts.values()),
        items_url=page.url(items=row["task_id"], state="", number=1),
        over=row["ended_at"] is not None,
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
    query = {name: request.GET[name] for name in ("items", "state", "p") if name in request.GET}
    return reverse("admin:workflows_dagrun_fragment", args=[run.pk], query=query or None)
