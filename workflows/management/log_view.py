"""A task's log on a terminal, also while it is being written."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial

from django.core.management.base import CommandError

from workflows.core.naming import did_you_mean
from workflows.core.states import TaskState
from workflows.engine import queries
from workflows.management import run_view
from workflows.management.watch import patiently
from workflows.models import TaskAttempt, TaskExecution

POLL_SECONDS = 0.3
# All control characters but tab, newline and return, and all escape sequences but colours: a task's output
# must not retitle a window or answer for the person who reads it.
_HARMFUL = re.compile(r"\x1b(?!\[[0-9;]*m)|[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f]")


def find_task(run_id: int, name: str) -> TaskExecution:
    """The task execution that `name` or `name[index]` stands for."""
    run_view.find(run_id)
    match = re.fullmatch(r"(.+)\[(\d+)\]", name)
    task_id, index = (match[1], int(match[2])) if match else (name, -1)
    rows = TaskExecution.objects.filter(run_id=run_id)
    found = rows.filter(task_id=task_id, map_index=index).first()
    if found is None:
        hint = did_you_mean(name, rows.values_list("task_id", flat=True)[:2000])
        raise CommandError(f"Run {run_id} has no task {name!r}{hint}.")
    return found


def harmless(written: str) -> str:
    """The text without what could do something to a terminal."""
    return _HARMFUL.sub("�", written)


def stored(task: TaskExecution, attempt: int) -> Iterator[str]:
    """What an attempt has written so far."""
    for chunk in queries.all_log_chunks(task.pk, attempt):
        yield chunk.text


def followed(task: TaskExecution, attempt: int | None) -> Iterator[str]:
    """What an attempt writes until it ends; without a number, what the task writes over all its attempts."""
    pause = threading.Event()
    number, told = attempt or max(1, task.attempt), -1
    while True:
        last, over = patiently(partial(_look, task.pk, attempt))
        page = patiently(partial(queries.log_chunks, task.pk, number, after=told))
        for chunk in page:
            yield chunk.text
        if page:
            told = page[-1].seq
        elif last > number:
            number, told = number + 1, -1
            yield f"--- attempt {number} ---\n"
        elif over:
            return
        else:
            pause.wait(POLL_SECONDS)


def _look(execution_id: int, attempt: int | None) -> tuple[int, bool]:
    """(the last attempt to follow, whether no more will be written): of one attempt, or of the whole task."""
    task = TaskExecution.objects.only("state", "attempt").get(pk=execution_id)
    over = TaskState(task.state).is_final
    if attempt is None:
        return task.attempt, over
    ended = TaskAttempt.objects.filter(task_execution_id=execution_id, number=attempt, ended_at__isnull=False)
    return attempt, over or ended.exists()
