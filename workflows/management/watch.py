"""Follow a run until it ends: a table that is redrawn on a terminal, a line for each change elsewhere."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import cached_property
from typing import Protocol, TypeVar

import psycopg
from django.db import Error as DatabaseError
from django.db import connection

from workflows.core.states import RunState
from workflows.engine import plans, queries
from workflows.management import run_view, text
from workflows.models import DagRun, Event, TaskExecution

log = logging.getLogger(__name__)
POLL_SECONDS = 0.2
T = TypeVar("T")


class Output(Protocol):
    """Where the lines go: a command's stdout."""

    def write(self, msg: str = "", style_func: None = None, ending: str | None = None) -> None:
        """Write a line; `ending` replaces the line's end."""

    def isatty(self) -> bool:
        """Whether a person looks at it."""


class Watch:
    """One run that is being followed."""

    def __init__(self, run_id: int, output: Output, *, timeout: float | None = None) -> None:
        self.run_id = run_id
        self.output = output
        self._until = None if timeout is None else time.monotonic() + timeout
        self._show: Callable[[], None] = self._redraw if output.isatty() else self._tell_changes
        self._drawn = 0
        self._told = 0
        self._items = _ItemMoves(run_id)

    def follow(self) -> bool:
        """Show the run until it has ended (True) or the time is up (False)."""
        pause = threading.Event()
        while True:
            over = patiently(lambda: queries.is_over(self.run_id))
            if over:
                patiently(self._finish)
                return True
            patiently(self._show)
            if self._until is not None and time.monotonic() > self._until:
                return False
            pause.wait(POLL_SECONDS)

    def _finish(self) -> None:
        """Make room for the summary, or tell the last changes, which `events_since` may still hold back."""
        self._clear()
        if not self.output.isatty():
            write_all(self.output, self._lines(run_view.events(self.run_id, after=self._told)))
            write_all(self.output, self._items.flush())

    def _redraw(self) -> None:
        size = shutil.get_terminal_size()
        room = max(3, size.lines - 4)
        shot = run_view.look(self.run_id)
        lines = [
            text.cut(run_view.title(shot), size.columns),
            text.cut(run_view.counts_line(shot.counts), size.columns),
        ]
        if len(shot.tasks) < room:
            lines += run_view.task_lines(shot, width=size.columns)
        self._clear()
        self.output.write("\n".join(lines))
        self._drawn = len(lines)

    def _clear(self) -> None:
        if self._drawn:
            self.output.write(f"\x1b[{self._drawn}F\x1b[J", ending="")
        self._drawn = 0

    def _tell_changes(self) -> None:
        while events := queries.events_since(self.run_id, self._told):
            write_all(self.output, self._lines(events))
            self._told = events[-1].seq
        if self._items.is_due():
            write_all(self.output, self._items.flush())

    def _lines(self, events: Iterable[queries.EventRow | Event]) -> Iterator[str]:
        """A line for each event, but for items of mapped tasks one for many."""
        for event in events:
            if not self._items.take(event):
                yield from self._items.flush(event.task_id)
                yield _line(event)


class _ItemMoves:
    """What the items of mapped tasks did since it was last told: there may be thousands."""

    EVERY = 1.0

    def __init__(self, run_id: int) -> None:
        self.run_id = run_id
        self._moves: dict[str, Counter[str]] = {}
        self._last: dict[str, datetime] = {}
        self._at = time.monotonic()

    @cached_property
    def _groups(self) -> frozenset[int]:
        """The executions of the mapped tasks themselves."""
        rows = TaskExecution.objects.filter(run_id=self.run_id, map_index=-1, task_id__in=self._mapped)
        return frozenset(rows.values_list("pk", flat=True))

    @cached_property
    def _mapped(self) -> frozenset[str]:
        plan = plans.plan_of(DagRun.objects.values_list("version_id", flat=True).get(pk=self.run_id))
        return frozenset(task.id for task in plan.tasks if task.foreach is not None)

    def take(self, event: queries.EventRow | Event) -> bool:
        """Count the event if it is an item's."""
        if event.task_id not in self._mapped or event.task_execution_id in self._groups:
            return False
        self._last[event.task_id] = event.at
        self._moves.setdefault(event.task_id, Counter())[f"{event.old} → {event.new}" if event.old else event.new] += 1
        return True

    def is_due(self) -> bool:
        """Whether it is time to tell."""
        return time.monotonic() - self._at >= self.EVERY

    def flush(self, task_id: str | None = None) -> Iterator[str]:
        """A line for each mapped task (or for the given one) of which items moved."""
        if task_id is None:
            self._at = time.monotonic()
        for name in [task_id] if task_id is not None else list(self._moves):
            moves = self._moves.pop(name, None)
            if moves:
                told = ", ".join(f"{count:,} {move}" for move, count in moves.items())
                yield f"{self._last[name]:%H:%M:%S.%f}"[:-3] + f" items of {name}: {told}"


def _line(event: queries.EventRow | Event) -> str:
    what = event.task_id or "run"
    attempt = f" (attempt {event.attempt})" if event.attempt > 1 else ""
    why = run_view.because(event.reason, event.message)
    moved = f"{event.at:%H:%M:%S.%f}"[:-3] + f" {what}: {event.old} → {event.new}{attempt}"
    return f"{moved}  {why}" if why else moved


def patiently(look: Callable[[], T], *, tries: int = 120) -> T:
    """Look, again every half second while the database is away for up to a minute."""
    pause = threading.Event()
    for left in range(tries, 0, -1):
        try:
            return look()
        except (DatabaseError, psycopg.Error) as error:
            if left == 1:
                raise
            if left == tries:
                log.warning("database: %s; waiting for it", next(iter(str(error).strip().splitlines()), "gone"))
            connection.close()
            pause.wait(0.5)
    raise AssertionError("unreachable")


def succeeded(run_id: int) -> bool:
    """Whether the run ended well."""
    return DagRun.objects.filter(pk=run_id, state=RunState.SUCCESS).exists()


def write_all(output: Output, lines: Iterable[str]) -> None:
    """Write lines."""
    for line in lines:
        output.write(line)
