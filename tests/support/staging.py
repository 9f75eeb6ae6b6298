"""A stack with short leases, a ledger of what really ran, and questions about how runs ended."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import redis

from tests.support.acts import LEDGER
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker

    from tests.support.servers import Servers
    from tests.support.stack import Stack

QUICK = {
    "LEASE_SECONDS": 3.0,
    "LEASE_RENEW_SECONDS": 0.5,
    "SWEEP_SECONDS": 0.25,
    "REDELIVER_SECONDS": 1.5,
    "STOP_GRACE": 2.0,
    "HARD_TIMEOUT_GRACE": 1.5,
    "PYTHON_MODULES": ["tests.support"],
}
MARK = b"CELERIAC_PROCESS="  # what the warden leaves in the environment of all that a task starts


def environment(directory: Path, **settings: Any) -> dict[str, str]:
    """The variables that a stack needs for the deeds and for the short times."""
    return {
        LEDGER: str(directory / "ledger"),
        "CELERIAC_SETTINGS": json.dumps({**QUICK, **settings}),
    }


def deed(name: str, **kwargs: Any) -> dict[str, Any]:
    """A python task that calls `tests.support.deeds`; what a task of the document has (retry, timeout, depends_on,
    ...) is taken out of the arguments."""
    fields = (
        "depends_on",
        "retry",
        "timeout",
        "at_most_once",
        "allow_failure",
        "trigger_rule",
        "priority",
        "condition",
    )
    own = {field: kwargs.pop(field) for field in fields if field in kwargs}
    return {"type": "python", "parameters": {"callable": f"tests.support.deeds:{name}", "kwargs": kwargs}, **own}


class Stage:
    """One stack and its ledger."""

    def __init__(self, stack: Stack, directory: Path) -> None:
        from workflows.engine import plans

        for cached in vars(plans).values():  # of this process: another stage's database had the same version numbers
            if hasattr(cached, "cache_clear"):
                cached.cache_clear()
        self.stack = stack
        self.directory = directory
        self.ledger = directory / "ledger"

    # What tests do

    def publish(self, name: str, tasks: Mapping[str, Any], **document: Any) -> Any:
        """Publish a DAG; its version."""
        from workflows.engine.publish import publish

        return publish({"id": name, "tasks": dict(tasks), **document})

    def run(self, name: str, tasks: Mapping[str, Any], **document: Any) -> int:
        """Publish a DAG and start a run of it; the run's number."""
        from workflows.engine.launch import launch

        return launch(self.publish(name, tasks, **document)).pk

    def children(self, run: int, task: str) -> list[int]:
        """The runs that a sub-DAG task started."""
        from workflows.models import DagRun

        rows = DagRun.objects.filter(parent__run_id=run, parent__task_id=task).order_by("id")
        return list(rows.values_list("pk", flat=True))

    def wrote(self, run: int, task: str, *streams: str) -> str:
        """What the task's attempts wrote, as it is stored by now."""
        from workflows.models import LogChunk

        rows = LogChunk.objects.filter(task_execution_id=self.execution(run, task).pk).order_by("attempt", "seq")
        return "".join(
            rows.filter(stream__in=streams or ("stdout", "stderr", "log", "system")).values_list("text", flat=True)
        )

    def gate(self, name: str) -> str:
        """The path of a gate, closed until `open`."""
        return str(self.directory / f"gate-{name}")

    def open(self, name: str) -> None:
        """Let the tasks behind a gate go on."""
        Path(self.gate(name)).touch()

    def shell(self, gate: str, **task: Any) -> dict[str, Any]:
        """A shell task with a grandchild in a session of its own; both tell the ledger, and wait for the gate."""
        line = (
            'printf \'{"kind":"%s","run":%s,"task":"%s","attempt":%s,"pid":%s,"at":0}\\n\' '
            '"$1" "$CELERIAC_RUN_ID" "$CELERIAC_TASK_ID" "$CELERIAC_ATTEMPT" "$2" >> "$LEDGER"'
        )
        script = (
            f"#!/bin/sh\ntell() {{ {line}; }}\n"
            'grandchild() { tell grandchild "$$"; while [ ! -e "$GATE" ]; do sleep 0.1; done; tell late "$$"; }\n'
            'if [ "$1" = below ]; then grandchild; exit 0; fi\n'
            'tell start "$$"\nsetsid sh "$0" below &\n'
            'while [ ! -e "$GATE" ]; do sleep 0.1; done\ntell end "$$"\n'
        )
        env = {"LEDGER": str(self.ledger), "GATE": gate}
        return {"type": "shell", "parameters": {"script": script, "env": env}, **task}

    # What tests ask

    def lines(self, kind: str = "start", run: int | None = None, task: str | None = None) -> list[dict[str, Any]]:
        """The ledger's lines of one kind, in the order of their writing."""
        text = self.ledger.read_text() if self.ledger.exists() else ""
        found = [json.loads(line) for line in text.splitlines()]
        return [
            line
            for line in found
            if line["kind"] == kind and run in (None, line["run"]) and task in (None, line["task"])
        ]

    def started(self, run: int, task: str, attempt: int = 1, timeout: float = 30.0) -> dict[str, Any]:
        """The ledger's first line of an attempt, once it is there."""

        def found() -> list[dict[str, Any]]:
            return [line for line in self.lines("start", run, task) if line["attempt"] == attempt]

        return eventually(found, timeout, saying=lambda: f"{task} never started\n{self.report()}")[0]

    def state(self, run: int) -> str:
        """The run's state; "" while the database cannot be asked."""
        from django.db import Error, connections

        from workflows.models import DagRun

        try:
            return str(DagRun.objects.values_list("state", flat=True).get(pk=run))
        except Error:
            connections.close_all()
            return ""

    def ended(self, *runs: int, timeout: float = 30.0) -> list[str]:
        """Wait until the runs are over; their states."""
        finals = ("success", "failed", "cancelled")
        eventually(
            lambda: all(self.state(run) in finals for run in runs),
            timeout,
            every=0.05,
            saying=lambda: f"runs {runs} are {[(self.state(run), self.tasks(run)) for run in runs]}\n{self.report()}",
        )
        return [self.state(run) for run in runs]

    def tasks(self, run: int) -> dict[str, str]:
        """The state of each task, with its reason: "failed/timed_out", "success"."""
        from workflows.models import TaskExecution

        rows = TaskExecution.objects.filter(run_id=run).values_list("task_id", "state", "reason")
        return {task: f"{state}/{reason}" if reason else state for task, state, reason in rows}

    def attempts(self, run: int, task: str) -> list[str]:
        """How each attempt ended, in order: "lost/killed", "success"; "" for one that goes on."""
        from workflows.models import TaskAttempt

        rows = TaskAttempt.objects.filter(task_execution__run_id=run, task_execution__task_id=task).order_by("number")
        return [f"{a.end}/{a.reason}" if a.reason else a.end for a in rows]

    def story(self, run: int, task: str) -> list[str]:
        """The events of a task in words: "pending>queued", "running>queued/lost"."""
        from workflows.models import Event

        rows = Event.objects.filter(run_id=run, task_id=task, task_execution_id__isnull=False).order_by("id")
        return [f"{e.old}>{e.new}/{e.reason}" if e.reason else f"{e.old}>{e.new}" for e in rows]

    def execution(self, run: int, task: str) -> Any:
        """The row of a task execution."""
        from workflows.models import TaskExecution

        return TaskExecution.objects.get(run_id=run, task_id=task)

    def settled(self, run: int, task: str, *states: str, timeout: float = 20.0) -> None:
        """Wait until a task is in one of the states."""
        eventually(
            lambda: self.execution(run, task).state in states,
            timeout,
            saying=lambda: f"{task} is not {states}: {self.tasks(run)}\n{self.report()}",
        )

    # What must hold after every fault

    def audit(self, *runs: int) -> None:
        """No promise of the engine is broken."""
        from workflows.engine import invariants

        broken = [finding for run in runs for finding in invariants.audit(run, quiescent=True) if not finding.holds]
        assert not broken, broken

    def check(self, *runs: int) -> None:
        """No promise of the engine is broken, every execution has its attempt, and no process is left over."""
        self.audit(*runs)
        for run in runs:
            unexplained = self.unexplained(run)
            assert not unexplained, unexplained
        eventually(lambda: not self.orphans(*runs), 5, saying=lambda: f"left over: {self.orphans(*runs)}")

    def unexplained(self, run: int) -> list[str]:
        """Executions in the ledger without an attempt of their own, and attempts that ended by themselves without an
        execution."""
        from workflows.models import TaskAttempt

        rows = TaskAttempt.objects.filter(task_execution__run_id=run)
        known = {(a.task_execution.task_id, a.number): a.end for a in rows.select_related("task_execution")}
        starts = Counter((line["task"], line["attempt"]) for line in self.lines("start", run))
        found = [f"{place} ran {count} times" for place, count in starts.items() if count > 1]
        found += [f"{place} ran without an attempt" for place in starts if place not in known]
        told = {place[0] for place in starts}
        itself = ("success", "failed", "retrying")
        silent = [place for place, end in known.items() if end in itself and place[0] in told and place not in starts]
        return found + [f"{place} ended without having run" for place in silent]

    def orphans(self, *runs: int) -> list[str]:
        """Processes that tasks of these runs started and that live, though their attempts are over."""
        found = []
        for process in psutil.process_iter():
            try:
                environ = Path(f"/proc/{process.pid}/environ").read_bytes()
                if MARK in environ and str(self.ledger).encode() in environ:
                    words = environ.split(b"\0")
                    if not runs or any(f"CELERIAC_RUN_ID={run}".encode() in words for run in runs):
                        found.append(f"{process.pid} {' '.join(process.cmdline())}")
            except (OSError, psutil.Error):
                continue
        return found

    def report(self) -> str:
        """The ends of the processes' logs."""
        return "\n".join(f"--- {title}\n{text[-1500:]}" for title, text in self.stack.logs())


@contextmanager
def staged(
    servers: Servers,
    broker_url: str,
    template: str,
    blocker: DjangoDbBlocker,
    variables: Mapping[str, str] | None = None,
    **settings: Any,
) -> Iterator[Callable[..., Stage]]:
    """A factory of one stage for the tests of a whole module, where a stack for each test would cost minutes.

    `variables` are for the environment of its processes.
    """
    from django.db import connections

    from tests.support.stack import Stack

    directory = Path(tempfile.mkdtemp(prefix="stage-"))
    name = f"stage_{os.path.basename(directory).lower().replace('-', '_')}"
    client = redis.Redis.from_url(broker_url)
    client.flushall()
    client.close()
    url = servers.create_database(name, template=template)
    env = environment(directory, **settings) | dict(variables or {})
    stack = Stack(database_url=url, broker_url=broker_url, directory=directory, guardian=servers.guardian, env=env)
    default = connections.databases["default"]
    before = default["NAME"]

    def start(*, concurrency: int = 2, options: tuple[str, ...] = ()) -> Stage:
        stack.reconciler()
        stack.worker(concurrency=concurrency, options=options)
        return Stage(stack, directory)

    try:
        with blocker.unblock():
            connections["default"].close()
            default["NAME"] = name
            yield start
            connections.close_all()
    finally:
        default["NAME"] = before
        stack.end()
        servers.drop_database(name)
        shutil.rmtree(directory, ignore_errors=True)
