"""What the page of a task execution shows: its attempts, its neighbours, its output and its log."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, F, Sum, Window
from django.db.models.functions import Length
from django.http import HttpRequest
from django.urls import reverse
from django.utils.functional import Promise
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from workflows.admin import show
from workflows.admin.bases import may
from workflows.admin.run_page import event_lines, may_cut
from workflows.core.plan import PlannedTask
from workflows.engine import plans
from workflows.engine.explain import explain_task
from workflows.models import LogChunk, TaskAttempt, TaskExecution

LOG_SHOWN = 65_536
NEIGHBOURS_SHOWN = 100
_EVENTS_SHOWN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptLine:
    """One attempt in the table."""

    attempt: TaskAttempt
    badge: SafeString
    reason: str
    duration: str
    chosen: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbour:
    """A task above or below."""

    id: int
    name: str
    badge: SafeString


@dataclass(frozen=True, slots=True, kw_only=True)
class Neighbours:
    """The tasks on one side: the first ones, and how many there are."""

    title: Promise
    lines: list[Neighbour]
    total: int

    @property
    def hidden(self) -> int:
        """How many are not listed."""
        return max(0, self.total - len(self.lines))


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPiece:
    """Text of one stream."""

    stream: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """The end of an attempt's log, or all of it when it is short."""

    pieces: list[LogPiece]
    total: int
    cut: bool

    @property
    def size(self) -> str:
        """The whole log's size, for people."""
        return show.size(self.total)


def context(request: HttpRequest, task: TaskExecution) -> dict[str, Any]:
    """The live part of the page: all of it below the title."""
    attempt = _chosen_attempt(request, task)
    attempts = list(task.attempts.order_by("-number"))
    sees_log = may(request, "view_logchunk")
    planned = _planned(task)
    return {
        "task": task,
        "run": task.run,
        "state": show.badge(task.state),
        "reason": show.reason(task.reason) if task.reason != task.state else "",
        "duration": show.duration(task.started_at, task.ended_at),
        "planned": planned,
        "attempts": [_attempt_line(row, attempt) for row in attempts],
        "neighbours": _neighbours(task, planned),
        "explanation": explain_task(task.run_id, task.task_id, task.map_index) if planned else None,
        "item": show.pretty(task.item) if task.map_index >= 0 else "",
        **_items(task, planned),
        "may_cut": may_cut(request, task.run) and task.map_index < 0,
        "output": show.pretty(task.output) if task.output is not None and not _is_mapped(task, planned) else "",
        "children": [
            {**row, "badge": show.badge(row["state"])}
            for row in task.child_runs.order_by("id").values("id", "state", "dag__dag_id")
        ],
        "sees_log": sees_log,
        "log": read_log(task.pk, attempt) if sees_log else None,
        "log_attempt": attempt,
        "log_shown": show.size(LOG_SHOWN),
        "events": event_lines(task.run, task.pk, _EVENTS_SHOWN) if may(request, "view_event") else None,
        "events_shown": _EVENTS_SHOWN,
    }


def _chosen_attempt(request: HttpRequest, task: TaskExecution) -> int:
    asked = request.GET.get("attempt", "")
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else task.attempt
    return min(number, task.attempt)


def _attempt_line(row: TaskAttempt, chosen: int) -> AttemptLine:
    return AttemptLine(
        attempt=row,
        badge=show.badge(row.end or "running"),
        reason=show.reason(row.reason),
        duration=show.duration(row.started_at, row.ended_at),
        chosen=row.number == chosen,
    )


def _planned(task: TaskExecution) -> PlannedTask | None:
    plan = plans.readable(task.run.version_id)
    return plan.tasks[task.position] if plan else None


def _is_mapped(task: TaskExecution, planned: PlannedTask | None) -> bool:
    """Whether it stands for items; its own output only says how many there are."""
    return planned is not None and planned.foreach is not None and task.map_index < 0


def _items(task: TaskExecution, planned: PlannedTask | None) -> dict[str, Any]:
    """Of a mapped task, its items by state."""
    if not _is_mapped(task, planned):
        return {"items": [], "item_count": 0}
    rows = TaskExecution.objects.filter(run_id=task.run_id, position=task.position, map_index__gte=0).order_by()
    counts = dict(rows.values_list("state").annotate(Count("pk")))
    badges = [show.badge(state, count=counts[state]) for state in show.STATE_ORDER if state in counts]
    return {"items": badges, "item_count": sum(counts.values())}


def _neighbours(task: TaskExecution, planned: PlannedTask | None) -> list[Neighbours]:
    if planned is None:
        return []
    sides = ((_("Upstream"), planned.upstream), (_("Downstream"), planned.downstream))
    wanted = [position for _title, positions in sides for position in positions[:NEIGHBOURS_SHOWN]]
    rows: dict[int, list[Neighbour]] = {}
    # Mapped tasks as one: their items, maybe thousands, are a page further.
    found = TaskExecution.objects.filter(run_id=task.run_id, position__in=wanted, map_index=-1).order_by("position")
    for pk, position, task_id, state in found.values_list("pk", "position", "task_id", "state"):
        rows.setdefault(position, []).append(Neighbour(id=pk, name=task_id, badge=show.badge(state)))
    return [
        Neighbours(
            title=title,
            lines=[line for position in positions[:NEIGHBOURS_SHOWN] for line in rows.get(position, [])],
            total=len(positions),
        )
        for title, positions in sides
    ]


def read_log(execution_id: int, attempt: int, limit: int = LOG_SHOWN) -> Log:
    """The last `limit` characters of an attempt's log; only the chunks that hold them are read."""
    chunks = LogChunk.objects.filter(task_execution_id=execution_id, attempt=attempt)
    facts = chunks.order_by().aggregate(total=Sum(Length("text")), count=Count("pk"))
    total = facts["total"] or 0
    after = Window(Sum(Length("text")), order_by=F("seq").desc())
    last = chunks.annotate(upto=after, length=Length("text")).filter(upto__lt=limit + F("length")).order_by("seq")
    texts = [(chunk.stream, chunk.text) for chunk in last]
    extra = sum(len(text) for _stream, text in texts) - limit
    if extra > 0 and texts:
        texts[0] = (texts[0][0], texts[0][1][extra:])
    return Log(pieces=_pieces(texts), total=total, cut=total > limit)


def _pieces(texts: list[tuple[str, str]]) -> list[LogPiece]:
    """Neighbours of the same stream as one piece, so that colour codes across chunks are still recognised."""
    joined: list[tuple[str, list[str]]] = []
    for stream, text in texts:
        if joined and joined[-1][0] == stream:
            joined[-1][1].append(text)
        else:
            joined.append((stream, [text]))
    return [LogPiece(stream=stream, text=show.log_text("".join(parts))) for stream, parts in joined]


def is_live(task: TaskExecution) -> bool:
    """Whether the page may still change by itself."""
    return task.ended_at is None


def fragment_url(request: HttpRequest, task: TaskExecution) -> str:
    """Where the page's script asks for the live part again."""
    query = {"attempt": request.GET["attempt"]} if "attempt" in request.GET else None
    return reverse("admin:workflows_taskexecution_fragment", args=[task.pk], query=query)
