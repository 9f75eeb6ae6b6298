"""A worker that goes on with the next ready task of a run without a message: kept, killed, rescued like any other."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from tests.support.servers import Servers
from tests.support.staging import Stage, deed, staged
from tests.support.waiting import eventually

CONCURRENCY = 3


@pytest.fixture(scope="module")
def stage(
    servers: Servers, _valkey: str, _template_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stage]:
    with staged(servers, _valkey, _template_database, django_db_blocker, GO_ON_SECONDS=5.0) as start:
        stage = start(concurrency=CONCURRENCY)
        _registered(stage)
        yield stage


def _registered(stage: Stage) -> None:
    """The worker's children know how many they are once the node is written down."""
    from workflows.models import Node

    eventually(lambda: Node.objects.filter(concurrency=CONCURRENCY).exists(), 10)


def chain(length: int, **last: Any) -> dict[str, Any]:
    """t0 > t1 > …; `last` is for the last task."""
    tasks = {f"t{n}": deed("work", depends_on=[f"t{n - 1}"] if n else []) for n in range(length)}
    tasks[f"t{length - 1}"] = deed("work", depends_on=[f"t{length - 2}"], **last)
    return tasks


def received(stage: Stage, run: int) -> int:
    """The messages of a run that the worker took."""
    return len(re.findall(rf"\[{run}\.[\d.]+-\d+\] received", stage.stack["worker"].log()))


def test_a_chain_takes_one_message_and_one_process(stage: Stage) -> None:
    run = stage.run("one_message", chain(12))
    assert stage.ended(run) == ["success"]
    stage.check(run)
    assert received(stage, run) == 1, stage.stack["worker"].log()[-6000:]
    assert len({line["pid"] for line in stage.lines("start", run)}) == 1
    assert [stage.attempts(run, f"t{n}") for n in range(12)] == [["success"]] * 12


def test_what_else_is_ready_is_sent_and_runs_meanwhile(stage: Stage) -> None:
    """A diamond whose sides wait for each other: one side goes on in the same process, the other needs a message."""
    left, right = stage.gate("left"), stage.gate("right")
    sides = {"l": deed("work", gate=left, depends_on=["top"]), "r": deed("work", gate=right, depends_on=["top"])}
    run = stage.run("diamond", {"top": deed("work"), **sides, "end": deed("work", depends_on=["l", "r"])})
    assert stage.started(run, "l")["pid"] != stage.started(run, "r")["pid"]
    stage.open("left")
    stage.settled(run, "l", "success")
    stage.open("right")
    assert stage.ended(run) == ["success"]
    stage.check(run)


def test_a_wide_fan_out_takes_few_messages_and_every_child(stage: Stage) -> None:
    """Its tasks wait until each child holds one: one that another test's task just killed is fed when it is back."""
    wide = {f"w{n}": deed("work", gate=stage.gate("wide"), depends_on=["top"]) for n in range(60)}
    run = stage.run("wide", {"top": deed("work"), **wide, "end": deed("work", depends_on=list(wide))})

    def holders() -> set[int]:
        return {line["pid"] for line in stage.lines("start", run) if line["task"].startswith("w")}

    eventually(lambda: len(holders()) == CONCURRENCY, 20, saying=lambda: f"{holders()}\n{stage.report()}")
    stage.open("wide")
    assert stage.ended(run) == ["success"]
    stage.check(run)
    assert received(stage, run) <= 20, "some for each child that had nothing to do; not one for each task"
    assert len(stage.lines("start", run)) == 62


def test_the_lease_is_that_of_the_task_that_runs(stage: Stage) -> None:
    """Longer than a lease: it is renewed, though the message was another task's."""
    run = stage.run("long", chain(3, seconds=4.5))
    assert stage.ended(run) == ["success"]
    assert stage.attempts(run, "t2") == ["success"]
    stage.check(run)
    assert received(stage, run) == 1, stage.stack["worker"].log()[-6000:]


def test_a_killed_child_costs_the_task_that_ran_an_attempt_and_no_other(stage: Stage) -> None:
    run = stage.run("killed", chain(3, gate=stage.gate("killed")))
    os.kill(stage.started(run, "t2")["pid"], signal.SIGKILL)
    stage.started(run, "t2", attempt=2, timeout=10)
    stage.open("killed")
    assert stage.ended(run) == ["success"]
    assert stage.attempts(run, "t2") == ["lost/killed", "success"]
    assert [stage.attempts(run, f"t{n}") for n in (0, 1)] == [["success"]] * 2
    stage.check(run)


def test_a_cancel_kills_it(stage: Stage) -> None:
    from workflows.engine.control import cancel_run

    tasks = chain(2) | {"t2": stage.shell(stage.gate("never"), depends_on=["t1"])}
    run = stage.run("cancelled", tasks)
    stage.started(run, "t2")
    eventually(lambda: stage.lines("grandchild", run), 10)
    cancel_run(run)
    assert stage.ended(run) == ["cancelled"]
    eventually(lambda: not stage.orphans(run), 5)
    stage.audit(run)


def test_a_failure_ends_the_stream_and_not_the_message(stage: Stage) -> None:
    retry = {"max_attempts": 2, "delay": 0}
    run = stage.run("fails", chain(3, fail_until=1, retry=retry) | {"after": deed("work", depends_on=["t2"])})
    assert stage.ended(run) == ["success"]
    assert stage.attempts(run, "t2") == ["retrying/error", "success"]
    stage.check(run)
    assert not re.search(rf"\[{run}\.0-1\] raised", stage.stack["worker"].log())


def test_a_task_with_a_timeout_has_a_message_of_its_own(stage: Stage) -> None:
    """The message arms the limit."""
    run = stage.run("limited", chain(3, seconds=30, timeout=1))
    assert stage.ended(run) == ["failed"]
    assert stage.attempts(run, "t2") == ["failed/timed_out"]
    stage.check(run)
    assert received(stage, run) == 2


def test_a_less_urgent_task_gets_in_line(stage: Stage) -> None:
    run = stage.run("urgent", chain(2, priority=1))
    assert stage.ended(run) == ["success"]
    assert received(stage, run) == 2


def test_a_paused_run_is_not_gone_on_with(stage: Stage) -> None:
    from workflows.engine import control

    tasks = {"t0": deed("work", gate=stage.gate("pause")), "t1": deed("work", depends_on=["t0"])}
    run = stage.run("paused", tasks)
    stage.started(run, "t0")
    control.pause_run(run)
    stage.open("pause")
    stage.settled(run, "t0", "success")
    stage.settled(run, "t1", "queued")
    assert not stage.lines("start", run, "t1")
    control.resume_run(run)
    assert stage.ended(run) == ["success"]
    stage.check(run)


def test_a_stopping_worker_goes_on_with_nothing_and_hands_back_what_runs(stage: Stage) -> None:
    """The last test of this stage: it restarts the worker."""
    held = stage.run("handed_back", chain(3, gate=stage.gate("handed_back")))
    stage.started(held, "t2")
    waiting = {"t0": deed("work", gate=stage.gate("stopping")), "t1": deed("work", depends_on=["t0"])}
    ends = stage.run("ends", waiting)
    stage.started(ends, "t0")
    worker = stage.stack["worker"]
    worker.process.send_signal(signal.SIGTERM)
    stage.open("stopping")
    stage.settled(ends, "t0", "success")
    eventually(lambda: not worker.alive(), 20)
    assert stage.tasks(ends)["t1"] == "queued", "a child that was told to stop went on"
    stage.open("handed_back")
    worker.restart()
    assert stage.ended(held, ends) == ["success", "success"]
    assert stage.attempts(held, "t2") == ["handed_back/handed_back", "success"]
    stage.check(held, ends)
