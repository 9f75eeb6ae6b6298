"""What the tasks of the fault tests do in a worker: hold, die, ignore limits, talk; each tells a ledger first.

The ledger is a file of JSON lines outside PostgreSQL and the broker. A gate is a file; a task goes on once it exists.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

from celery import current_task

from tests.support.acts import LEDGER, write
from workflows.operators.base import TaskFailed

PATIENCE = 60.0  # seconds that a task waits for its gate
_NEVER = threading.Event()


def tell(kind: str, context: dict[str, Any], **more: Any) -> None:
    """Append one line; a single short write never mixes with another's."""
    task, run = context["task"], context["run"]
    line = {"kind": kind, "run": run["id"], "task": task["id"], "attempt": task["attempt"], "pid": os.getpid()}
    text = json.dumps({**line, "at": time.time(), **more})
    descriptor = os.open(os.environ[LEDGER], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        os.write(descriptor, text.encode() + b"\n")
    finally:
        os.close(descriptor)


def _wait_for(gate: str) -> None:
    until = time.monotonic() + PATIENCE
    while not Path(gate).exists():
        if time.monotonic() > until:
            raise TaskFailed(f"nobody opened {gate}", permanent=True)
        _NEVER.wait(0.05)


def work(celeriac_context: dict[str, Any], gate: str = "", seconds: float = 0.0, fail_until: int = 0) -> int:
    """Start, wait for the gate ("{attempt}" in its name is replaced) or the time, end; the first `fail_until`
    attempts fail."""
    attempt: int = celeriac_context["task"]["attempt"]
    tell("start", celeriac_context)
    if gate:
        _wait_for(gate.replace("{attempt}", str(attempt)))
    if seconds:
        _NEVER.wait(seconds)
    tell("end", celeriac_context)
    if attempt <= fail_until:
        raise TaskFailed(f"attempt {attempt} was to fail")
    return attempt


def die(celeriac_context: dict[str, Any], times: int = 1) -> int:
    """Kill the own process in each of the first `times` attempts."""
    attempt: int = celeriac_context["task"]["attempt"]
    tell("start", celeriac_context)
    if attempt <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return attempt


def kill_worker(celeriac_context: dict[str, Any]) -> None:
    """Kill the worker's main process, and with it everything that it runs; every time."""
    tell("start", celeriac_context)
    os.kill(os.getppid(), signal.SIGKILL)
    _NEVER.wait(PATIENCE)


def stubborn(celeriac_context: dict[str, Any], until_attempt: int = 99) -> int:
    """Take every soft limit for an error and go on, as careless code does; from `until_attempt` on, be good."""
    attempt: int = celeriac_context["task"]["attempt"]
    tell("start", celeriac_context)
    while attempt < until_attempt:
        try:
            _NEVER.wait(PATIENCE)
        except Exception as error:
            tell("ignored", celeriac_context, error=type(error).__name__)
    return attempt


def talk(celeriac_context: dict[str, Any], gate: str = "") -> None:
    """Write to every stream, with characters that databases and terminals dislike."""
    tell("start", celeriac_context)
    print("on stdout: nul \x00, lone \ud800, greek λ")
    print("on stderr", file=sys.stderr)
    logging.getLogger("shop.orders").warning("on a logger: %s", "order 7")
    if gate:
        _wait_for(gate)
    print("after the gate")


def flood(celeriac_context: dict[str, Any], gate: str, megabytes: int) -> None:
    """Print so much, with a known first and last line; the last half waits for the gate."""
    tell("start", celeriac_context)
    print("the very first line")
    line = "x" * 99
    for half in range(2):
        for _ in range(megabytes * 5_000):
            print(line)
        if half == 0:
            _wait_for(gate)
    print("the very last line")


def look(celeriac_context: dict[str, Any], fail_until: int = 0) -> int:
    """Note how Celery delivered this attempt."""
    request = current_task.request
    attempt: int = celeriac_context["task"]["attempt"]
    tell(
        "start",
        celeriac_context,
        celery_id=request.id,
        root=request.root_id,
        parent=request.parent_id,
        shadow=request.shadow,
        chain=len(request.chain or ()),
        chord=bool(request.chord),
    )
    if attempt <= fail_until:
        raise TaskFailed(f"attempt {attempt} was to fail")
    return attempt


def linger(acts: list[str], celeriac_context: dict[str, Any]) -> int:
    """What `acts.act` does, in the same ledger format, but long enough to be killed in the middle."""
    write("start", celeriac_context)
    _NEVER.wait(0.12)
    write("end", celeriac_context)
    if acts[0] == "fail":
        raise TaskFailed("it was to fail")
    return int(celeriac_context["task"]["attempt"])
