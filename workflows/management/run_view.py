"""A run as text: its tasks, their states, and why those that failed did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workflows.core.errors import UnknownRun
from workflows.core.states import RunState, TaskState
from workflows.engine import queries, sql
from workflows.engine.queries import Counts
from workflows.management import text
from workflows.models import DagRun, Event, LogChunk, TaskExecution

SHOWN_TASKS = 60  # a longer run is shown as counts and failures
LOG_LINES = 12
_MARKS = {
    TaskState.SUCCESS: "✓",
    TaskState.FAILED: "✗",
    TaskState.UPSTREAM_FAILED: "✗",
    TaskState.CANCELLED: "■",
    TaskState.SKIPPED: "-",
    TaskState.RUNNING: "▶",
    TaskState.RETRYING: "↻",
    TaskState.DEFERRED: "…",
    TaskState.QUEUED: "·",
}
_TROUBLED = [TaskState.FAILED, TaskState.UPSTREAM_FAILED, TaskState.CANCELLED]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A run at one moment, by the database's clock."""

    run: DagRun
    counts: Counts
    tasks: Sequence[TaskExecution]  # all of them, or when there are many those that are in trouble or at work
    now: datetime
    children: Mapping[int, int]  # task execution to the latest run that it started

    @property
    def is_whole(self) -> bool:
        """Whether `tasks` has every task of the run; the items of a mapped task are told by its own row."""
        return sum(self.counts.tasks.values()) <= len(self.tasks)


def find(run_id: int) -> DagRun:
    """The run. Raises UnknownRun."""
    run = DagRun.objects.select_related("dag", "version").filter(pk=run_id).first()
    if run is None:
        raise UnknownRun(run_id=run_id)
    return run


def look(run_id: int, *, most: int = SHOWN_TASKS, items: bool = False) -> Snapshot:
    """The run as it is now, with at most about `most` of its tasks, and with the items of mapped ones if asked."""
    run = find(run_id)
    counts = queries.counts(run_id)
    tasks = TaskExecution.objects.filter(run_id=run_id).order_by("position", "map_index").defer("output", "item")
    tasks = tasks if items else tasks.filter(map_index=-1)
    if sum(counts.tasks.values()) > most:
        tasks = tasks.filter(state__in=[TaskState.RUNNING, TaskState.RETRYING, *_TROUBLED])
    shown = list(tasks[:most])
    children = DagRun.objects.filter(parent__run_id=run_id).order_by("id").values_list("parent_id", "id")
    return Snapshot(
        run=run,
        counts=counts,
        tasks=shown,
        now=sql.run("SELECT now()")[0][0],
        children={parent: child for parent, child in children if parent is not None},
    )


def title(shot: Snapshot) -> str:
    """`run 12 of daily_sales v3: success in 4.20 s`."""
    run = shot.run
    line = f"run {run.pk} of {run.dag.dag_id} v{run.version.number}: {run.state}"
    if run.paused_at and not run.ended_at:
        line += ", paused"
    if run.started_at:
        line += f" {'in' if run.ended_at else 'for'} {text.seconds(run.started_at, run.ended_at or shot.now)}"
    return f"{line} ({run.reason})" if run.reason else line


def counts_line(counts: Counts) -> str:
    """`12 tasks: 10 success, 2 running`; and the items of the mapped ones among them."""
    if not counts.tasks:
        return "no tasks"
    items = counts.all_items
    return _counted(counts.tasks, "task") + (f"; {_counted(items, 'item')}" if items else "")


def _counted(counts: Mapping[TaskState, int], noun: str) -> str:
    parts = ", ".join(f"{counts[state]:,} {state.value}" for state in TaskState if counts.get(state))
    return f"{text.counted(sum(counts.values()), noun)}: {parts}"


def task_lines(shot: Snapshot, *, width: int | None = None) -> list[str]:
    """The table of the tasks that the snapshot has."""
    rows = [_row(task, shot) for task in shot.tasks]
    return text.table(["", "task", "state", "time", "tries", "why"], rows, width=width) if rows else []


def mark_of(state: TaskState) -> str:
    """The sign before a task in this state."""
    return _MARKS.get(state, " ")


def _row(task: TaskExecution, shot: Snapshot) -> list[str]:
    state = TaskState(task.state)
    begin = task.started_at if state is not TaskState.RETRYING else None
    end = task.ended_at or (shot.now if state in (TaskState.RUNNING, TaskState.DEFERRED) else None)
    return [
        mark_of(state),
        name_of(task),
        state.value,
        text.seconds(begin, end),
        str(task.attempt) if task.attempt else "",
        text.cut(_why(task, shot), 160),
    ]


def _why(task: TaskExecution, shot: Snapshot) -> str:
    """Reason and message; of a mapped task its items by state; the child run; or that it waits for a limit."""
    told = because(task.reason, task.message)
    items = shot.counts.items.get(task.position, {}) if task.map_index < 0 else {}
    if items:
        return ": ".join(part for part in (task.reason, _counted(items, "item")) if part)
    if told:
        return told
    child = shot.children.get(task.pk)
    return f"run {child}" if child else "waits for room within a limit" if task.held else ""


def name_of(task: TaskExecution) -> str:
    """The task's id, with its index when it is one of many."""
    return task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"


def failures(run_id: int, *, most: int = 10) -> list[str]:
    """What the failed tasks said at last: their messages and the ends of their logs, those of child runs too."""
    failed = TaskExecution.objects.filter(run_id=run_id, state=TaskState.FAILED).order_by("ended_at", "id")
    lines: list[str] = []
    for task in failed[:most]:
        lines += [
            "",
            f"{name_of(task)} failed ({task.reason or 'error'}, attempt {task.attempt}): {task.message}",
        ]
        lines += [f"    {line}" for line in last_log_lines(task.pk, task.attempt)]
        child = task.child_runs.order_by("-id").first()
        if child is not None:
            lines += [f"    {line}" for line in failures(child.pk, most=most) if line]
    more = failed.count() - most
    return [*lines, "", f"and {text.counted(more, 'more failed task')}"] if more > 0 else lines


def last_log_lines(execution_id: int, attempt: int, *, most: int = LOG_LINES) -> list[str]:
    """The end of an attempt's log."""
    chunks = LogChunk.objects.filter(task_execution_id=execution_id, attempt=attempt).order_by("-seq")[:4]
    return "".join(chunk.text for chunk in reversed(chunks)).splitlines()[-most:]


def events(run_id: int, *, after: int = 0) -> list[Event]:
    """The events of a run above a sequence number, as they are known now."""
    return list(Event.objects.filter(run_id=run_id, seq__gt=after).order_by("seq", "id"))


def because(reason: str, message: str) -> str:
    """`reason: message`, in one line; either may be missing."""
    return ": ".join(part for part in (reason, text.one_line(message)) if part)


def summary(run_id: int) -> list[str]:
    """A run's end: every task when they are few, else counts, and what failed."""
    shot = look(run_id)
    lines = [title(shot), counts_line(shot.counts)]
    if shot.is_whole:
        lines += ["", *task_lines(shot)]
    if shot.run.state != RunState.SUCCESS:
        lines += failures(run_id)
    return lines


def as_json(run_id: int) -> dict[str, Any]:
    """A run with its tasks, as data."""
    run = find(run_id)
    tasks = TaskExecution.objects.filter(run_id=run_id).order_by("position", "map_index")
    facts = (
        "task_id",
        "map_index",
        "state",
        "reason",
        "message",
        "attempt",
        "failures",
        "losses",
        "node",
        "held",
        "slots",
        "item",
        "output",
    )
    times = ("queued_at", "started_at", "next_attempt_at", "ended_at")
    return {
        "id": run.pk,
        "dag_id": run.dag.dag_id,
        "version": run.version.number,
        "state": run.state,
        "reason": run.reason,
        "trigger": run.trigger,
        "params": run.params,
        "logical_date": run.logical_date,
        "external_id": run.external_id,
        "priority": run.priority,
        "interval_start": run.interval_start,
        "cause": run.cause_id,
        "backfill": run.backfill_id,
        **{name: getattr(run, name) for name in ("created_at", "started_at", "ended_at", "paused_at")},
        "tasks": [{name: getattr(task, name) for name in (*facts, *times)} for task in tasks],
    }
