"""Surgery, limits and mapped tasks over HTTP: what is touched, what is shown, what is refused."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from tests.integration.api.conftest import VIEWER, ClientOf
from tests.support.hands import Done, Expand, Fail, Spawn, admitted, dag, do, end, held, start, state, states
from workflows.engine.launch import Origin, launch
from workflows.engine.publish import publish
from workflows.executors import broker
from workflows.models import DagRun, Event, NodePool

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
BAD = Fail(message="no", permanent=True)
OPERATES = (*VIEWER, "add_dagrun", "change_dagrun", "change_nodepool")


@pytest.fixture
def operator(client_of: ClientOf) -> APIClient:
    """Somebody who may trigger and operate."""
    return client_of(*OPERATES)


def failed() -> DagRun:
    """a succeeded, b failed, c below it never ran."""
    run = start(dag(a={}, b={"depends_on": ["a"]}, c={"depends_on": ["b"]}))
    do(run, "a")
    do(run, "b", BAD)
    assert state(run) == "failed"
    return run


def mapped(count: int) -> DagRun:
    """A run of a mapped task with so many items, of which none has begun."""
    run = start(dag(each={"foreach": [0], "foreach_concurrency": 1}))
    do(run, "each", Expand(items=tuple({"n": index} for index in range(count))))
    return run


def post(client: APIClient, run: DagRun, verb: str, **body: Any) -> Any:
    """Operate on a run."""
    return client.post(f"/api/v1/runs/{run.pk}/{verb}", body, format="json")


def test_retry_previews_and_then_does_it(operator: APIClient) -> None:
    run = failed()
    shown = post(operator, run, "retry", preview=True)
    assert shown.status_code == 200
    assert shown.json() == {
        "run_id": run.pk,
        "run_state": "failed",
        "preview": True,
        "count": 2,
        "kept": 1,
        "version": None,
        "touched": [
            {"task_id": "b", "map_index": -1, "state": "failed", "change": "run_again"},
            {"task_id": "c", "map_index": -1, "state": "upstream_failed", "change": "run_again"},
        ],
    }
    assert state(run) == "failed"
    assert post(operator, run, "retry").json() == {**shown.json(), "preview": False}
    assert (state(run), states(run)["b"]) == ("running", "queued")
    assert Event.objects.get(run=run, task_id="b", new="pending").message.startswith("by user")


def test_clear_and_mark(operator: APIClient) -> None:
    run = failed()
    alone = post(operator, run, "clear", tasks=["b"], downstream=False, upstream=True, preview=True).json()
    assert [row["task_id"] for row in alone["touched"]] == ["a", "b"]
    marked = post(operator, run, "mark", tasks=["b"], state="success").json()
    assert [(row["task_id"], row["change"]) for row in marked["touched"]] == [("b", "mark"), ("c", "run_again")]
    assert admitted(run) == ["c"]
    do(run, "c")
    assert state(run) == "success"
    assert post(operator, run, "clear", tasks=["a"]).json()["count"] == 3
    assert admitted(run) == ["a"]


def test_a_run_goes_on_with_what_was_mended(operator: APIClient) -> None:
    run = failed()
    publish(dag(a={}, b={"depends_on": ["a"]}, c={}))
    answer = post(operator, run, "retry", version=2)
    assert (answer.status_code, answer.json()["code"]) == (409, "other_graph")
    assert post(operator, run, "retry", version=9).json()["code"] == "unknown_version"
    publish(dag(a={}, b={"depends_on": ["a"], "timeout": 5}, c={"depends_on": ["b"]}))
    assert post(operator, run, "clear", tasks=["b"], version=3, preview=True).json()["version"] == 3
    assert post(operator, run, "retry", version=3).json()["version"] == 3
    assert operator.get(f"/api/v1/runs/{run.pk}").json()["version"] == 3
    assert post(operator, run, "clear", tasks=["a"], version=1).json()["code"] == "not_over"


def test_failed_items_are_touched_by_their_index(operator: APIClient) -> None:
    run = mapped(2)
    do(run, "each", item=0)
    do(run, "each", BAD, item=1)
    touched = post(operator, run, "retry").json()["touched"]
    assert touched == [{"task_id": "each", "map_index": 1, "state": "failed", "change": "run_again"}]
    assert admitted(run) == ["each[1]"]


def test_refusals(operator: APIClient) -> None:
    run = failed()
    for verb, body, status, code in (
        ("clear", {"tasks": ["nope"]}, 404, "unknown_task"),
        ("mark", {"tasks": ["a"], "state": "success"}, 409, "nothing_to_do"),
        ("mark", {"tasks": ["a"], "state": "skipped"}, 400, "invalid"),
        ("mark", {"tasks": ["a"]}, 400, "invalid"),
        ("clear", {"tasks": []}, 400, "invalid"),
        ("clear", {}, 400, "invalid"),
        ("retry", {"preview": "perhaps"}, 400, "invalid"),
    ):
        answer = post(operator, run, verb, **body)
        assert (answer.status_code, answer.json()["code"]) == (status, code), (verb, body)
    assert operator.post("/api/v1/runs/999999/retry", {}, format="json").json()["code"] == "unknown_run"
    post(operator, run, "retry")
    held(run, "b")
    answer = post(operator, run, "clear", tasks=["a"])
    assert (answer.status_code, answer.json()["code"]) == (409, "tasks_at_work")
    assert answer.json()["detail"].endswith("or cancel the run first.")


def test_a_child_run_is_run_again_through_its_parent(operator: APIClient) -> None:
    publish(dag("child", x={}))
    run = start(dag(sub={"type": "subdag", "parameters": {"dag_id": "child"}}))
    do(run, "sub", Spawn(dag_id="child", params={}))
    child = DagRun.objects.get(dag__dag_id="child")
    do(child, "x", BAD)
    answer = post(operator, child, "retry")
    assert (answer.status_code, answer.json()["code"]) == (409, "part_of_another_run")


def test_surgery_needs_what_cancelling_needs(client_of: ClientOf) -> None:
    run = failed()
    viewer = client_of(*VIEWER, "add_dagrun")
    for verb, body in (("retry", {}), ("clear", {"tasks": ["a"]}), ("mark", {"tasks": ["b"], "state": "success"})):
        for preview in (True, False):
            assert post(viewer, run, verb, preview=preview, **body).status_code == 403
    assert viewer.patch("/api/v1/pools/default", {"slots": 1}, format="json").status_code == 403
    assert state(run) == "failed"


def test_the_limit_of_a_pool(operator: APIClient) -> None:
    NodePool.objects.create(name="db")
    run = start(dag(a={"pool": "db"}, b={"pool": "db"}, c={"pool": "db", "depends_on": ["a"]}))
    claimed = held(run, "a")
    limited = operator.patch("/api/v1/pools/db", {"slots": 1}, format="json")
    assert limited.status_code == 200
    facts = ("slots", "used", "running", "queued", "waiting")
    assert [limited.json()[fact] for fact in facts] == [1, 2, 1, 1, 0]
    end(claimed, Done())
    assert [operator.get("/api/v1/pools/db").json()[fact] for fact in facts] == [1, 1, 0, 1, 1]
    opened = operator.patch("/api/v1/pools/db", {"slots": None}, format="json").json()
    assert [opened[fact] for fact in facts] == [None, None, 0, 2, 0]
    assert admitted(run) == ["b", "c"]
    for slots in (-1, "many", 2**40):
        assert operator.patch("/api/v1/pools/db", {"slots": slots}, format="json").status_code == 400
    assert operator.patch("/api/v1/pools/db", {}, format="json").status_code == 400
    gone = operator.patch("/api/v1/pools/nope", {"slots": 1}, format="json")
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_pool")


def test_pools_need_as_many_queries_for_one_as_for_many(operator: APIClient) -> None:
    def queries() -> int:
        operator.get("/api/v1/pools")
        with CaptureQueriesContext(connection) as seen:
            operator.get("/api/v1/pools")
        return len(seen)

    NodePool.objects.get_or_create(name="default")
    one = queries()
    for index in range(20):
        NodePool.objects.create(name=f"p{index}", slots=index)
    assert queries() == one


def test_a_trigger_with_a_priority(operator: APIClient) -> None:
    publish(dag(a={}))
    run = operator.post("/api/v1/dags/d/runs", {"priority": 9}, format="json").json()
    assert (run["priority"], run["cause_id"], run["backfill_id"]) == (9, None, None)
    assert operator.get(f"/api/v1/runs/{run['id']}/tasks/a").json()["priority"] == 9
    assert operator.post("/api/v1/dags/d/runs", {"priority": 10}, format="json").status_code == 400
    caused = launch("d", origin=Origin(cause_id=run["id"]))
    assert operator.get(f"/api/v1/runs/{caused.pk}").json()["cause_id"] == run["id"]


def test_items_are_shown_found_and_counted(operator: APIClient) -> None:
    run = mapped(3)
    do(run, "each", Done(output=7), item=0)
    base = f"/api/v1/runs/{run.pk}/tasks"

    def found(query: str) -> list[tuple[int, bool]]:
        return [(row["map_index"], row["held"]) for row in operator.get(f"{base}?{query}").json()["results"]]

    assert found("") == [(-1, False), (0, False), (1, False), (2, True)]
    assert found("map_index=-1") == [(-1, False)]
    assert found("map_index=2") == [(2, True)]
    assert found("held=true") == [(2, True)]
    assert found("held=false&task=each&map_index=1") == [(1, False)]
    for wrong in ("map_index=x", "map_index=1.5", "map_index=99999999999"):
        assert operator.get(f"{base}?{wrong}").status_code == 400
    group = operator.get(f"{base}/each").json()
    assert (group["state"], group["item"]) == ("deferred", None)
    assert group["item_counts"] == {"success": 1, "queued": 2}
    item = operator.get(f"{base}/each?map_index=0").json()
    assert (item["item"], item["output"], item["item_counts"]) == ({"n": 0}, 7, None)
    assert (item["gated"], item["slots"]) == (True, 1)
    assert operator.get(f"/api/v1/runs/{run.pk}").json()["task_counts"] == {"deferred": 1, "queued": 2, "success": 1}


def test_items_need_as_many_queries_for_one_as_for_many(operator: APIClient) -> None:
    def queries(count: int) -> int:
        run = mapped(count)
        operator.get(f"/api/v1/runs/{run.pk}/tasks")
        with CaptureQueriesContext(connection) as seen:
            assert len(operator.get(f"/api/v1/runs/{run.pk}/tasks?map_index=0").json()["results"]) == 1
            assert len(operator.get(f"/api/v1/runs/{run.pk}/tasks").json()["results"]) == count + 1
        return len(seen)

    assert queries(1) == queries(60)


def test_a_surgery_inside_a_transaction_sends_nothing_before_its_commit(operator: APIClient) -> None:
    """A host project may wrap its requests in transactions (ATOMIC_REQUESTS)."""
    run = failed()
    before = broker.queue_length("celeriac")
    assert before is not None
    with transaction.atomic():
        assert post(operator, run, "retry").status_code == 200
        assert broker.queue_length("celeriac") == before
    assert broker.queue_length("celeriac") == before + 1
