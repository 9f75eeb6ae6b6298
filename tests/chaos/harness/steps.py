"""What the tasks of the harness do in a worker: leave a line in the ledger of effects at their start and at their end.

A line is `kind run task map-index attempt mark time`: S for a start, E for an end, L for what came too late. One write
of one short line never mixes with another's. The mark names one execution: process id and a count.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
from typing import Any

from workflows.operators.base import TaskFailed

LEDGER = "CELERIAC_TEST_LEDGER"
_NEVER = threading.Event()
_numbers = itertools.count(1)
_descriptor = -1


def _tell(line: str) -> None:
    global _descriptor
    if _descriptor < 0:
        _descriptor = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    os.write(_descriptor, line.encode())


def step(celeriac_context: dict[str, Any], acts: list[str], seconds: float = 0.0, more: float = 0.0) -> dict[str, Any]:
    """Start, take the time (and `more` of it after the first attempt), end; fail if the script says so."""
    task = celeriac_context["task"]
    attempt = task["attempt"]
    mark = f"{os.getpid()}.{next(_numbers)}"
    place = f"{celeriac_context['run']['id']} {task['id']} {task['map_index']} {attempt} {mark}"
    _tell(f"S {place} {time.time():.3f}\n")
    if seconds:
        _NEVER.wait(seconds + (more if attempt > 1 else 0.0))
    _tell(f"E {place} {time.time():.3f}\n")
    if acts[min(attempt, len(acts)) - 1] == "fail":
        raise TaskFailed(f"attempt {attempt} was to fail")
    return {"attempt": attempt, "mark": mark}


# A command with a descendant in a session of its own, which must not live to leave its line.
SHELL = """#!/bin/sh
mark="$$.0"
tell() { printf '%s %s %s -1 %s %s %s\\n' "$1" "$CELERIAC_RUN_ID" "$CELERIAC_TASK_ID" "$CELERIAC_ATTEMPT" "$mark" \
"$(date +%s.%N)" >> "$LEDGER"; }
tell S
(setsid sh -c "sleep 8; printf 'L %s %s -1 %s %s %s\\n' '$CELERIAC_RUN_ID' '$CELERIAC_TASK_ID' '$CELERIAC_ATTEMPT' \
'$mark' \\"\\$(date +%s.%N)\\" >> '$LEDGER'" &)
sleep 0.1
tell E
printf '{"attempt": %s, "mark": "%s"}' "$CELERIAC_ATTEMPT" "$mark" > "$CELERIAC_OUTPUT"
"""
