"""Limits: runs of a DAG, tasks of a run, slots of a pool. Never exceeded, never idle while something waits."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection

from tests.support.hands import Done, Fail, admitted, claim, dag, do, end, held, start, state
from workflows.core.errors import UnknownPool
from workflows.engine import admit, control, plans, reconcile
from workflows.engine.finish import finish
from workflows.engine.launch import Origin, launch
from workflows.engine.publish import publish
from workflows.executors import send
from workflows.models import DagRun, NodePool, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def wide(count: int = 4, dag_id: str = "d", **config: Any) -> dict[str, Any]:
    """Tasks that depend on nothing."""
    return {**dag(dag_id, **{f"t{i}": {} for i in range(count)}), "config": config}


def test_max_parallel_tasks() -> None:
    run = start(wide(max_parallel_tasks=2))
    assert admitted(run) == ["t0", "t1"]
    assert claim(run, "t2") is None
    do(run, "t0")
    assert admitted(run) == ["t1", "t2"]
    held(run, "t1")
    do(run, "t2", Fail(message="no", permanent=True))
    assert admitted(run) == ["t3"]


def test_a_retrying_task_gives_its_place_away() -> None:
    document = wide(2, max_parallel_tasks=1)
    document["tasks"]["t0"]["retry"] = {"max_attempts": 2, "delay": 60}
    run = start(document)
    do(run, "t0", Fail(message="no"))
    assert admitted(run) == ["t1"]


def test_higher_priority_goes_first() -> None:
    document = wide(3, max_parallel_tasks=1)
    document["tasks"]["t2"]["priority"] = 9
    run = start(document)
    assert admitted(run) == ["t2"]


def test_the_slots_of_a_pool_are_shared_by_all_runs() -> None:
    NodePool.objects.create(name="db", slots=3)
    document = dag(a={"pool": "db", "pool_slots": 2}, b={"pool": "db"}, c={"pool": "db"})
    one, two = start(document), launch("d")
    assert admitted(one) == ["a", "b"]
    assert admitted(two) == []
    do(one, "b")
    assert admitted(one) == ["a", "c"]
    do(one, "a")
    assert admitted(two) == ["a"]
    do(one, "c")
    assert state(one) == "success"
    assert admitted(two) == ["a", "b"]


def test_a_task_that_wants_more_than_the_pool_has_takes_all_of_it() -> None:
    NodePool.objects.create(name="db", slots=2)
    run = start(dag(a={"pool": "db", "pool_slots": 5}, b={"pool": "db"}))
    assert admitted(run) == ["a"]
    do(run, "a")
    assert admitted(run) == ["b"]


def test_a_limit_set_while_tasks_run_counts_them() -> None:
    NodePool.objects.create(name="db")
    run = start(dag(a={"pool": "db"}, b={"pool": "db"}, c={"pool": "db", "depends_on": ["a"]}))
    held(run, "b")
    admit.limit_pool("db", 1)
    do(run, "a")
    assert admitted(run) == []  # b holds the only slot
    send.send(admit.limit_pool("db", None))
    assert admitted(run) == ["c"]
    with pytest.raises(UnknownPool, match="no pool 'nope'"):
        admit.limit_pool("nope", 1)


def test_what_a_paused_run_holds_back_takes_no_place() -> None:
    NodePool.objects.create(name="db", slots=1)
    one = start(dag(a={"pool": "db"}, b={"pool": "db"}))
    two = launch("d")
    mine = held(one, "a")
    control.pause_run(one.pk)
    end(mine, Done())
    assert (admitted(one), admitted(two)) == ([], ["a"])  # though the other one was there first
    do(two, "a")
    do(two, "b")
    control.resume_run(one.pk)
    assert admitted(one) == ["b"]


def test_a_cancelled_run_gives_its_place_away() -> None:
    NodePool.objects.create(name="db", slots=1)
    one = start(dag(a={"pool": "db"}, b={"pool": "db"}))
    two = launch("d")
    control.cancel_run(one.pk)
    assert admitted(two) == ["a"]


def test_what_a_crash_kept_from_being_given_away_is_given_by_a_sweep() -> None:
    run = start(wide(2, max_parallel_tasks=1))
    claimed = held(run, "t0")
    finish(claimed, plans.plan_of(claimed.version_id), Done(), chance=0.5)
    assert admitted(run) == []
    reconcile.sweep()
    assert admitted(run) == ["t1"]


def test_many_finishing_at_once_never_exceed_the_limit() -> None:
    run = start(wide(24, max_parallel_tasks=6))
    seen: list[int] = []

    def work() -> None:
        try:
            while names := admitted(run):
                for name in names:
                    claimed = claim(run, name)
                    if claimed is not None:
                        rows = TaskExecution.objects.filter(run=run, held=False, state__in=["queued", "running"])
                        seen.append(rows.count())
                        end(claimed, Done())
        finally:
            connection.close()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    while names := admitted(run):
        for name in names:
            do(run, name)
    assert state(run) == "success"
    assert max(seen) <= 6


def test_max_active_runs() -> None:
    document = {**dag(a={}), "config": {"max_active_runs": 1}}
    version = publish(document)
    one, two, three = launch(version), launch(version), launch(version, origin=Origin(priority=9))
    assert [state(run) for run in (one, two, three)] == ["running", "pending", "pending"]
    do(one, "a")
    assert [state(run) for run in (one, two, three)] == ["success", "pending", "running"]
    assert control.cancel_run(three.pk)
    assert [state(run) for run in (two, three)] == ["running", "cancelled"]


def test_a_pending_run_can_be_cancelled_and_paused() -> None:
    version = publish({**dag(a={}), "config": {"max_active_runs": 1}})
    one, two, three = launch(version), launch(version), launch(version)
    assert control.cancel_run(two.pk)
    assert control.pause_run(three.pk)
    do(one, "a")
    assert [state(run) for run in (two, three)] == ["cancelled", "pending"]
    assert control.resume_run(three.pk)
    assert state(three) == "running"


def test_launches_at_once_never_exceed_max_active_runs() -> None:
    version = publish({**dag(a={}), "config": {"max_active_runs": 2}})
    barrier = threading.Barrier(6)

    def go() -> None:
        barrier.wait()
        try:
            launch(version)
        finally:
            connection.close()

    threads = [threading.Thread(target=go) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert DagRun.objects.filter(state="running").count() == 2
    assert DagRun.objects.filter(state="pending").count() == 4


def test_a_run_gives_its_priority_to_tasks_that_have_none() -> None:
    document = {**dag(a={}, b={"priority": 2}), "config": {"priority": 7}}
    run = start(document)
    assert dict(TaskExecution.objects.filter(run=run).values_list("task_id", "priority")) == {"a": 7, "b": 2}
    other = launch("d", origin=Origin(priority=9))
    assert dict(TaskExecution.objects.filter(run=other).values_list("task_id", "priority")) == {"a": 9, "b": 2}
