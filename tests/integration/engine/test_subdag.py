"""Runs inside runs."""

from __future__ import annotations

import pytest

from tests.support.hands import Fail, Spawn, dag, do, start, state, states
from workflows.engine import control
from workflows.engine.publish import publish
from workflows.models import DagRun, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def parent_of(dag_id: str, **fields: object) -> DagRun:
    task = {"type": "subdag", "parameters": {"dag_id": dag_id}, **fields}
    return start(dag("parent", s=task, after={"depends_on": ["s"]}))


def test_the_child_settles_the_parents_task() -> None:
    publish(dag("child", x={}))
    run = parent_of("child")
    do(run, "s", Spawn(dag_id="child"))
    child = DagRun.objects.get(parent__run=run)
    assert (child.trigger, child.depth, states(run)["s"]) == ("subdag", 1, "deferred")
    do(child, "x")
    assert (state(child), states(run)) == ("success", {"s": "success", "after": "queued"})
    assert TaskExecution.objects.get(run=run, task_id="s").output == {"run_id": child.pk, "state": "success"}


def test_a_failed_child_fails_the_task_or_is_tried_again() -> None:
    publish(dag("child", x={}))
    run = parent_of("child", retry={"max_attempts": 2, "delay": "1h"})
    do(run, "s", Spawn(dag_id="child"))
    do(DagRun.objects.get(parent__run=run), "x", Fail(message="no"))
    assert states(run)["s"] == "retrying"


def test_a_dag_does_not_run_inside_itself() -> None:
    publish(dag("child", x={}))
    publish(dag("child", s={"type": "subdag", "parameters": {"dag_id": "parent"}}))
    run = parent_of("child")
    do(run, "s", Spawn(dag_id="child"))
    child = DagRun.objects.get(parent__run=run)
    do(child, "s", Spawn(dag_id="parent"))
    row = TaskExecution.objects.get(run=child, task_id="s")
    assert (row.state, row.reason) == ("failed", "recursion")
    assert "parent → child → parent" in row.message
    assert state(run) == "failed"


def test_cancelling_the_parent_cancels_the_child() -> None:
    publish(dag("child", x={}))
    run = parent_of("child")
    do(run, "s", Spawn(dag_id="child"))
    control.cancel_run(run.pk)
    child = DagRun.objects.get(parent__run=run)
    assert (state(child), child.reason) == ("cancelled", "parent_ended")


def test_an_unknown_child_is_a_clear_failure() -> None:
    run = parent_of("nowhere")
    do(run, "s", Spawn(dag_id="nowhere"))
    row = TaskExecution.objects.get(run=run, task_id="s")
    assert (row.state, row.reason) == ("failed", "bad_input")
    assert "nowhere" in row.message
