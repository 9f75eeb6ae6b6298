"""What the views of runs are drawn from."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from tests.support.hands import dag, do, start
from workflows.core.outcome import Fail
from workflows.core.plan import Plan
from workflows.engine import plans
from workflows.engine.publish import publish
from workflows.engine.queries import events_since
from workflows.models import DagRun, NodePool, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture(autouse=True)
def _pool(transactional_db: None) -> None:
    NodePool.objects.get_or_create(name="default")


def test_a_snapshot_and_the_events_after_it_are_the_whole_story(author: APIClient) -> None:
    run = start(dag(a={"retry": {"max_attempts": 2, "delay": 0}}, b={"depends_on": ["a"]}))
    do(run, "a", Fail(message="broken"))
    picture = author.get(f"/api/v1/runs/{run.pk}/snapshot").json()
    assert [(t["task_id"], t["state"], t["upstream"]) for t in picture["tasks"]] == [
        ("a", "retrying", []),
        ("b", "pending", [0]),
    ]
    assert (picture["run"]["id"], picture["run"]["task_counts"]) == (run.pk, {"pending": 1, "retrying": 1})
    assert events_since(run.pk, picture["cursor"]) == []
    author.post(f"/api/v1/runs/{run.pk}/cancel")
    later = author.get(f"/api/v1/runs/{run.pk}/events?since={picture['cursor']}").json()["events"]
    assert {(e["task_id"], e["new"]) for e in later} == {("", "cancelled"), ("a", "cancelled"), ("b", "cancelled")}


def test_earlier_attempts_and_items_are_in_the_snapshot(author: APIClient) -> None:
    run = start(dag(a={}, m={"foreach": [1, 2, 3]}))
    do(run, "a", Fail(message="x" * 400))
    author.post(f"/api/v1/runs/{run.pk}/clear", {"tasks": ["a"]})
    do(run, "a")
    TaskExecution.objects.create(run=run, position=1, map_index=0, task_id="m", queue="celeriac", item=1)
    first, mapped = author.get(f"/api/v1/runs/{run.pk}/snapshot").json()["tasks"]
    assert [(bar["number"], bar["end"]) for bar in first["earlier"]] == [(1, "failed")]
    assert (mapped["mapped"], mapped["items"]) == (True, {"pending": 1})


def test_an_estimate_is_made_of_runs_that_succeeded(author: APIClient) -> None:
    run = start(dag(a={}))
    assert author.get(f"/api/v1/runs/{run.pk}/estimate").json() == {"runs": 0, "p50": None, "p95": None, "tasks": {}}
    do(run, "a")
    began = timezone.now() - timedelta(seconds=60)
    DagRun.objects.filter(pk=run.pk).update(started_at=began, ended_at=began + timedelta(seconds=8))
    TaskExecution.objects.filter(run=run).update(started_at=began, ended_at=began + timedelta(seconds=5))
    failed = start(dag(a={}))
    do(failed, "a", Fail(message="no"))
    now = start(dag(a={}))
    told = author.get(f"/api/v1/runs/{now.pk}/estimate").json()
    assert told == {"runs": 1, "p50": 8.0, "p95": 8.0, "tasks": {"a": 5.0}}


def test_a_grid_has_the_tasks_of_every_version(author: APIClient) -> None:
    old = start(dag("d", a={}, gone={}))
    do(old, "a")
    new = start(dag("d", a={}, b={"depends_on": ["a"]}))
    grid = author.get("/api/v1/dags/d/grid").json()
    assert grid["tasks"] == ["a", "b", "gone"]
    assert [(r["id"], r["version"], r["cells"]) for r in grid["runs"]] == [
        (new.pk, 2, ["queued", "pending", None]),
        (old.pk, 1, ["success", None, "queued"]),
    ]
    assert [r["id"] for r in author.get(f"/api/v1/dags/d/grid?before={new.pk}&runs=1").json()["runs"]] == [old.pk]
    assert author.get("/api/v1/dags/nowhere/grid").status_code == 404


def test_a_run_whose_plan_is_of_another_release_shows_its_tasks(
    author: APIClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = start(dag("d", a={}, b={"depends_on": ["a"]}))
    do(run, "a")
    old = Plan.from_json
    monkeypatch.setattr(Plan, "from_json", lambda data: old({**data, "format": 0}))
    plans.forget()
    drawn = author.get(f"/api/v1/runs/{run.pk}/snapshot").json()["tasks"]
    assert [(t["task_id"], t["state"], t["upstream"]) for t in drawn] == [("a", "success", []), ("b", "queued", [])]
    grid = author.get("/api/v1/dags/d/grid").json()
    assert (grid["tasks"], grid["runs"][0]["cells"]) == (["a", "b"], ["success", "queued"])


def test_a_grid_of_a_large_dag_has_fewer_runs(author: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    publish(dag("d", a={}, b={}))
    for _ in range(3):
        start(dag("d", a={}, b={}))
    monkeypatch.setattr("workflows.engine.pictures.CELLS", 4)
    assert len(author.get("/api/v1/dags/d/grid").json()["runs"]) == 2
