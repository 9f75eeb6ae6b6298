"""Workers that are killed, stopped and frozen in the middle of a run."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable

import psutil

from tests.support.stack import LiveProcess
from tests.support.staging import QUICK, Stage, deed
from tests.support.waiting import eventually


def send_all(processes: list[psutil.Process], what: signal.Signals) -> None:
    """A signal for each process that still lives."""
    for process in processes:
        try:
            process.send_signal(what)
        except psutil.NoSuchProcess:
            continue


def test_a_killed_worker_is_replaced_and_nothing_of_it_lives_on(stage_of: Callable[..., Stage]) -> None:
    """SIGKILL of the main process only; a worker that starts afterwards ends the run within the lease and 10 s."""
    stage = stage_of(concurrency=3)
    gate = stage.gate("second")
    run = stage.run(
        "killed_worker",
        {
            "shell": stage.shell(gate),
            "python": deed("work", gate=gate),
            "join": deed("work", depends_on=["shell", "python"]),
        },
    )
    stage.started(run, "python")
    eventually(lambda: stage.lines("grandchild", run), 10)
    worker = stage.stack["worker"]
    below = worker.children()
    killed_at = time.monotonic()
    worker.kill()
    eventually(lambda: not [p for p in below if p.is_running()] and not stage.orphans(run), 5)

    stage.stack.worker("worker2", wait=False)
    for task in ("shell", "python"):
        stage.started(run, task, attempt=2)
    assert time.monotonic() - killed_at < QUICK["LEASE_SECONDS"] + 10
    stage.open("second")
    assert stage.ended(run) == ["success"]
    for task in ("shell", "python"):
        assert stage.attempts(run, task) == ["lost/lost", "success"]
        assert stage.story(run, task) == [
            *("pending>queued", "queued>running", "running>queued/lost"),
            *("queued>running", "running>success"),
        ]
        assert (stage.execution(run, task).losses, stage.execution(run, task).failures) == (1, 0)
    stage.check(run)
    assert not [line for line in stage.lines("late", run) if line["attempt"] == 1]


def test_a_stopping_worker_hands_back_what_takes_too_long(stage_of: Callable[..., Stage]) -> None:
    """What is short ends, what may run once is waited for, the rest goes to the other worker and is no failure."""
    from workflows.models import Node

    stage = stage_of(concurrency=4)
    gate = stage.gate("other")
    run = stage.run(
        "stopped_worker",
        {
            "python": deed("work", gate=gate, priority=9),
            "shell": stage.shell(gate, priority=9),
            "short": deed("work", seconds=1.5, priority=9),
            "once": deed("work", seconds=QUICK["STOP_GRACE"] + 2.5, priority=9, at_most_once=True),
            **{f"behind_{n}": deed("work") for n in range(6)},
        },
    )
    for task in ("python", "shell", "short", "once"):
        stage.started(run, task)
    worker = stage.stack["worker"]
    at = time.monotonic()
    worker.process.terminate()
    stage.stack.worker("worker2", concurrency=3, wait=False)
    for task in ("python", "shell"):
        stage.started(run, task, attempt=2)
    stage.open("other")
    code = worker._popen.wait(20) if worker._popen else None
    took = time.monotonic() - at
    assert code == 0
    assert took < QUICK["STOP_GRACE"] + 8, f"the worker took {took:.1f} s to stop\n{worker.log()[-3000:]}"
    assert stage.ended(run) == ["success"]
    for task in ("python", "shell"):
        assert stage.attempts(run, task) == ["handed_back/handed_back", "success"]
        assert "running>queued/handed_back" in stage.story(run, task)
        assert (stage.execution(run, task).losses, stage.execution(run, task).failures) == (0, 0)
    for task in ("short", "once", *(f"behind_{n}" for n in range(6))):
        assert stage.attempts(run, task) == ["success"], task
    stage.check(run)
    nodes = {node.name.split("@")[0]: node for node in Node.objects.all()}
    assert nodes["worker"].stopped_at is not None
    assert nodes["worker2"].stopped_at is None


def frozen(worker: LiveProcess) -> list[psutil.Process]:
    """Stop the worker's main process and all below it, as a paused virtual machine is; what was stopped."""
    processes = [worker.process, *worker.children()]
    send_all(processes, signal.SIGSTOP)
    return processes


def test_what_a_frozen_worker_says_after_its_lease_is_not_believed(stage_of: Callable[..., Stage]) -> None:
    """One task of the thawed worker ends with a result, which is refused; the other is killed by its own worker."""
    stage = stage_of(concurrency=2)
    gate = stage.gate("{attempt}")
    run = stage.run(
        "frozen_worker", {"ends": deed("work", gate=gate), "stays": deed("work", gate=stage.gate("{attempt}-stays"))}
    )
    stayer = psutil.Process(stage.started(run, "stays")["pid"])
    stage.started(run, "ends")
    main, *below = frozen(stage.stack["worker"])
    stage.stack.worker("worker2", wait=False)
    for task in ("ends", "stays"):
        stage.started(run, task, attempt=2)

    stage.open("1")
    send_all(below, signal.SIGCONT)  # the children first: they must not be killed before they have spoken
    eventually(lambda: stage.lines("end", run, "ends"), 10)
    refused = f"{run}.0: "
    eventually(lambda: refused in stage.stack["worker"].log(), 10, saying="the late result was not refused")
    assert stage.execution(run, "ends").state == "running"
    send_all([main], signal.SIGCONT)
    eventually(lambda: not stayer.is_running(), 10, saying="the stale child lives")

    stage.open("2")
    stage.open("2-stays")
    assert stage.ended(run) == ["success"]
    for task in ("ends", "stays"):
        assert stage.attempts(run, task) == ["lost/lost", "success"]
    assert stage.execution(run, "ends").output == 2
    assert [line["attempt"] for line in stage.lines("end", run, "ends")] == [1, 2]
    stage.check(run)
