"""Every gap between two durable steps: a process dies, freezes or fails exactly there, and the run ends as it must."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest
from pytest_django import DjangoDbBlocker

from tests.chaos.harness.faults.processes import IN_THE_OUTCOME
from tests.chaos.test_workers import send_all
from tests.integration.operators.conftest import Site
from tests.support.servers import Servers
from tests.support.staging import Stage, deed, staged
from tests.support.waiting import eventually, stays
from workflows.failpoints import POINTS

ROOT = Path(__file__).resolve().parents[2]
LEASE = 2.0
IN_A_WORKER = {"message_taken", "claimed", "operated", "settling", "undecided", "deferring", "child_started"}
IN_A_WORKER |= {"beginning_to_wait", "finished", "carried", "flushed", "run_settled", "run_ended", "half_sent", "sent"}
ACTIONS = ("kill", "freeze", "raise")
# A task's code ran, and the outcome could not be made: that is a failure of the task, which says so.
FAILS = {(point, "raise") for point in IN_THE_OUTCOME}
SEEN = {"sweeping": 5, "half_sent": 260}  # at which time it happens, where not at the first


def cases() -> Iterator[Any]:
    """Each point with each action; a kill of the process is tried always, the rest in `make test-all`."""
    for point in POINTS:
        for action in (*ACTIONS, "crash") if point in IN_A_WORKER else ACTIONS:
            marks = [] if action == "kill" else [pytest.mark.slow]
            yield pytest.param(point, action, id=f"{point}-{action}", marks=marks)


@dataclass
class Walk:
    """A stage whose processes pass the failpoints that are set now."""

    stage: Stage
    directory: Path
    site: Site
    number: int = 0

    def arm(self, point: str, action: str) -> None:
        """Let it happen once."""
        for count in self.counts.iterdir():
            count.unlink()
        self.traps.write_text(f"{point}={action}:{SEEN.get(point, 1)}")

    @property
    def traps(self) -> Path:
        """The file that says what happens where."""
        return self.directory / "traps"

    @property
    def counts(self) -> Path:
        """The directory of counts."""
        return self.directory / "counts"

    def happened(self, point: str) -> bool:
        """Whether a process came by as often as it takes."""
        count = self.counts / point
        return count.exists() and count.stat().st_size >= SEEN.get(point, 1)

    def name(self) -> str:
        """A new name for a DAG."""
        self.number += 1
        return f"walk_{self.number}"

    def supervise(self) -> bool:
        """Start again what has died; always true."""
        for process in self.stage.stack.processes:
            if not process.alive():
                process.start()
        return True

    def thaw(self) -> None:
        """Let what was stopped go on."""
        for process in self.stage.stack.processes:
            if process.alive():
                send_all([process.process, *process.children()], signal.SIGCONT)

    def command(self, *arguments: str) -> None:
        """A management command that passes failpoints too, in a process group of its own."""
        command = subprocess.Popen(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.stage.stack.env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        eventually(lambda: command.poll() is not None or stopped(command.pid), 60)
        if command.poll() is None:
            os.killpg(command.pid, signal.SIGCONT)
        command.wait(60)


def stopped(pid: int) -> bool:
    """Whether a process is stopped by a signal."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


@pytest.fixture(scope="module")
def walk(servers: Servers, _valkey: str, _template_database: str, django_db_blocker: DjangoDbBlocker) -> Iterator[Walk]:
    """Two workers and a reconciler for all the cases."""
    directory = Path(tempfile.mkdtemp(prefix="failpoints-"))
    (directory / "counts").mkdir()
    variables = {
        "CELERIAC_FAILPOINTS": f"@{directory / 'traps'}",
        "CELERIAC_FAILPOINT_COUNTS": str(directory / "counts"),
    }
    times = {
        "LEASE_SECONDS": LEASE,
        "REDELIVER_SECONDS": 1.0,
        "MAX_LOST_ATTEMPTS": 1000,
        "HTTP_ALLOW_PRIVATE": ["127.0.0.1"],
    }
    site = Site()
    site.routes["/hook"] = lambda request: request.answer(204)
    with staged(servers, _valkey, _template_database, django_db_blocker, variables, **times) as start:
        stage = start(concurrency=2)
        stage.stack.worker("worker2", concurrency=2)
        yield Walk(stage, directory, site)
    site.close()


def small(walk: Walk) -> int:
    """A run through every path: chain, fan, retry, failure, late verdict, sub-DAG, wait, join of all."""
    walk.stage.publish("walk_child", {"x": deed("work"), "y": deed("work", depends_on=["x"])})
    tasks = {
        "a": deed("work"),
        **{f"fan{n}": deed("work", depends_on=["a"]) for n in range(3)},
        "again": deed("work", fail_until=1, retry={"max_attempts": 5, "delay": 0}),
        "bad": deed("work", fail_until=99),
        "late": deed("work", depends_on=["bad"], trigger_rule="all_done"),
        "given_up": deed("work", depends_on=["bad", "late"]),
        "sub": {"type": "subdag", "parameters": {"dag_id": "walk_child"}, "depends_on": ["a"]},
        "w": {"type": "wait", "parameters": {"for": 0.2}},
    }
    # Not below `late`: with a join of all below it, it would not take the hot path.
    above = [name for name in tasks if name != "late"]
    return walk.stage.run(walk.name(), {**tasks, "end": deed("work", depends_on=above, trigger_rule="all_done")})


def wide(walk: Walk) -> int:
    """A run whose first task makes more ready than one batch of messages holds."""
    # With a timeout each needs a message: otherwise most would wait for those who go on.
    tasks = {f"w{n}": deed("work", depends_on=["root"], timeout=60) for n in range(300)}
    return walk.stage.run(walk.name(), {"root": deed("work"), **tasks})


def launched(walk: Walk) -> int:
    """A run that another process launches, and dies."""
    from workflows.models import DagRun

    name = walk.name()
    walk.stage.publish(name, {"a": deed("work"), "b": deed("work", depends_on=["a"])})
    walk.command("dag_run", name)
    return DagRun.objects.get(dag__dag_id=name).pk


def flushed(walk: Walk) -> int:
    """A run whose messages the broker forgets."""
    import redis

    tasks = {f"q{n}": deed("work", seconds=0.1) for n in range(40)}
    run = walk.stage.run(walk.name(), tasks)
    client = redis.Redis.from_url(walk.stage.stack.broker_url)
    client.flushall()
    client.close()
    return run


def cancelled(walk: Walk) -> int:
    """A run with a child run, both at work, that a person cancels; the person asks again when the answer was lost."""
    walk.stage.publish("walk_held", {"x": deed("work", gate=walk.stage.gate("never"))})
    sub = {"type": "subdag", "parameters": {"dag_id": "walk_held"}}
    run = walk.stage.run(walk.name(), {"t": deed("work", gate=walk.stage.gate("never")), "sub": sub})
    walk.stage.started(run, "t")
    (child,) = eventually(lambda: walk.stage.children(run, "sub"), 20)
    walk.stage.started(child, "x")
    walk.command("run_cancel", str(run))
    if walk.stage.state(run) == "running":
        walk.command("run_cancel", str(run))
    eventually(lambda: walk.stage.state(child) == "cancelled", 30)
    return run


def rescued(walk: Walk) -> int:
    """A run with a task that kills its own process once."""
    return walk.stage.run(walk.name(), {"d": deed("die", times=1), "after": deed("work", depends_on=["d"])})


def handing_back(walk: Walk) -> int:
    """A run whose worker is asked to stop in the middle."""
    name = walk.name()
    run = walk.stage.run(name, {"t": deed("work", gate=walk.stage.gate(name)), "u": deed("work", depends_on=["t"])})
    walk.stage.started(run, "t")
    at = walk.stage.execution(run, "t").node.partition("@")[0]
    walk.stage.stack[at].process.terminate()
    eventually(lambda: walk.happened("handing_back"), 20)
    walk.stage.open(name)
    return run


def told(walk: Walk) -> int:
    """A run whose end somebody wants to know."""
    hook = {"on": "run_succeeded", "webhook": {"url": f"{walk.site.url}/hook"}}
    return walk.stage.run(walk.name(), {"t": deed("work")}, callbacks=[hook])


DRAMAS: dict[str, Callable[[Walk], int]] = {
    "half_sent": wide,
    "launched": launched,
    "marked_sent": flushed,
    "resent": flushed,
    "cancelling": cancelled,
    "cancelled": cancelled,
    "rescued": rescued,
    "handing_back": handing_back,
    "callbacks_noted": told,
    "callback_taken": told,
    "callback_sent": told,
}


@pytest.mark.parametrize(("point", "action"), list(cases()))
def test_a_run_ends_as_it_must_whatever_happens_between_two_steps(walk: Walk, point: str, action: str) -> None:
    walk.arm(point, action)
    run = DRAMAS.get(point, small)(walk)
    # What tells callbacks may have died after the end of the run before this one.
    came_by = eventually(
        lambda: walk.supervise() and walk.happened(point),
        30,
        saying=lambda: f"{point} was never passed\n{walk.stage.report()}",
    )
    assert came_by
    if action == "freeze":
        stays(walk.supervise, LEASE + 1.0, every=0.1)
        walk.thaw()
    eventually(
        lambda: walk.supervise() and walk.stage.state(run) in ("success", "failed", "cancelled"),
        60,
        every=0.05,
        saying=lambda: f"{walk.stage.tasks(run)}\n{walk.stage.report()}",
    )
    expected = "cancelled" if DRAMAS.get(point) is cancelled else "success"
    if (point, action) in FAILS:
        assert walk.stage.state(run) in ("success", "failed")
    else:
        assert walk.stage.state(run) == expected, walk.stage.tasks(run)
    walk.traps.unlink()
    walk.stage.check(run)
