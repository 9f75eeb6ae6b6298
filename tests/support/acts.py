"""What the tasks of the acceptance tests do in a worker: leave a line in a ledger outside PostgreSQL and the broker."""

from __future__ import annotations

import os
import time
from typing import Any

from workflows.operators.base import TaskFailed

LEDGER = "CELERIAC_TEST_LEDGER"


def write(kind: str, context: dict[str, Any]) -> None:
    """Append `kind run task attempt time`; one write of one short line never mixes with another's."""
    task, run = context["task"], context["run"]
    line = f"{kind} {run['id']} {task['id']} {task['attempt']} {time.time():.6f}\n"
    descriptor = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)


def act(acts: list[str], celeriac_context: dict[str, Any]) -> int:
    """Do what the script says for this attempt."""
    attempt = celeriac_context["task"]["attempt"]
    write("start", celeriac_context)
    what = acts[min(attempt - 1, len(acts) - 1)]
    write("end", celeriac_context)
    if what == "fail":
        raise TaskFailed(f"attempt {attempt} was to fail")
    return int(attempt)
