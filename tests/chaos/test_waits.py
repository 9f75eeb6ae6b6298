"""Waits over the death of whoever would have ended them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from tests.support.staging import Stage, deed
from tests.support.waiting import eventually, stays
from workflows.models import Approval, Event, TaskExecution


def wait(seconds: float, **fields: object) -> dict[str, object]:
    return {"type": "wait", "parameters": {"for": seconds}, **fields}


def due_and_ended(run: int, task: str) -> tuple[datetime, datetime]:
    """When a wait was to end, and when it did."""
    rows = Event.objects.filter(run_id=run, task_id=task).order_by("id")
    (begun,) = [row.at for row in rows if row.new == "deferred"]
    (ended,) = [row.at for row in rows if row.old == "deferred"]
    return begun, ended


def test_a_wait_ends_within_a_second_and_holds_no_worker(stage_of: Callable[..., Stage]) -> None:
    """Twelve waits in a pool of one process: one after the other they would take twelve times as long."""
    stage = stage_of(concurrency=1, SWEEP_SECONDS=1.0)
    waits = {f"w{n}": wait(2.0) for n in range(12)}
    run = stage.run("waits", {**waits, "after": deed("work", depends_on=list(waits))})
    assert stage.ended(run) == ["success"]
    for name in waits:
        begun, ended = due_and_ended(run, name)
        assert 2.0 <= (ended - begun).total_seconds() < 3.5  # a sweep, and what this machine does besides
        assert stage.attempts(run, name) == ["deferred"]
    stage.check(run)


def test_a_wait_whose_reconciler_was_killed_ends_when_another_comes(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of(concurrency=1)
    run = stage.run("left", {"w": wait(1.0), "after": deed("work", depends_on=["w"])})
    eventually(lambda: stage.tasks(run)["w"] == "deferred", 15, every=0.005)
    stage.stack["reconciler"].kill()
    eventually(lambda: is_due(run), 10)
    stays(lambda: stage.tasks(run)["w"] == "deferred", 1.0)
    stage.stack["reconciler"].restart()
    assert stage.ended(run) == ["success"]
    assert stage.story(run, "w") == ["pending>queued", "queued>running", "running>deferred", "deferred>success"]
    stage.check(run)


def is_due(run: int) -> bool:
    from django.db.models.functions import Now

    return TaskExecution.objects.filter(run_id=run, wake_at__lt=Now()).exists()


@pytest.mark.parametrize("point", ["ending_a_wait", "requeued"])
def test_a_reconciler_that_dies_while_it_ends_a_wait(stage_of: Callable[..., Stage], point: str) -> None:
    """In the open transaction, and after the commit before anything is sent: the next one does the rest, once."""
    stage = stage_of(concurrency=1, reconciler=False)
    run = stage.run("dies", {"w": wait(0.5), "after": deed("work", depends_on=["w"])})
    stage.stack.reconciler(env={"CELERIAC_FAILPOINTS": f"{point}=kill"})
    eventually(lambda: not stage.stack["reconciler"].alive(), 20)
    assert (
        stage.tasks(run)
        == {
            "ending_a_wait": {"w": "deferred", "after": "pending"},
            "requeued": {"w": "success", "after": "queued"},
        }[point]
    )
    stage.stack["reconciler"].restart(CELERIAC_FAILPOINTS="")
    assert stage.ended(run) == ["success"]
    assert stage.story(run, "w")[-1] == "deferred>success"
    stage.check(run)


@pytest.mark.parametrize("point", ["operated", "beginning_to_wait", "finished"])
def test_a_worker_that_dies_around_a_deferral(stage_of: Callable[..., Stage], point: str) -> None:
    """Before the commit the task is rescued and asks again; after it the wait goes on without the worker."""
    stage = stage_of(workers=0)
    run = stage.run("asks", {"ask": {"type": "approval", "parameters": {"prompt": "Go?"}}})
    counts = stage.directory / "counts"
    counts.mkdir()
    env = {"CELERIAC_FAILPOINTS": f"{point}=kill", "CELERIAC_FAILPOINT_COUNTS": str(counts)}
    stage.stack.worker(env=env)
    eventually(lambda: Approval.objects.open().filter(task_execution__run_id=run).exists(), 30, saying=stage.report)
    open_now = Approval.objects.open().get(task_execution__run_id=run)
    assert open_now.attempt == (1 if point == "finished" else 2)
    answer(open_now.pk)
    assert stage.ended(run) == ["success"]
    assert Approval.objects.filter(task_execution__run_id=run).count() == 1
    stage.check(run)


def answer(approval_id: int) -> None:
    from django.contrib.auth.models import User

    from workflows.engine import approvals

    approvals.answer(approval_id, User.objects.create_superuser("boss"), approved=True)
