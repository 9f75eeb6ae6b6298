"""Runs over HTTP: trigger once, find, stop; with their tasks, attempts, events and logs."""

from __future__ import annotations

import copy
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import time_machine
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from tests.integration.api.conftest import DOCUMENT
from workflows.engine.launch import launch
from workflows.engine.publish import publish
from workflows.executors.broker import empty_queues
from workflows.models import DagRun, DagVersion, LogChunk, TaskAttempt, TaskExecution

if TYPE_CHECKING:
    from tests.support.servers import Servers

pytestmark = pytest.mark.django_db
RUNS = "/api/v1/dags/sales/runs"


def trigger(client: APIClient, body: dict[str, Any] | None = None, key: str | None = None) -> Any:
    """Trigger a run of `sales`."""
    headers = {} if key is None else {"HTTP_IDEMPOTENCY_KEY": key}
    return client.post(RUNS, body or {}, **headers)


def test_a_trigger_starts_a_run(author: APIClient, version: DagVersion) -> None:
    answer = trigger(author, {"params": {"limit": 3}, "logical_date": "2025-01-31T08:00:00+08:00"})
    assert answer.status_code == 201, answer.json()
    run = answer.json()
    assert answer["Location"] == f"http://testserver/api/v1/runs/{run['id']}"
    assert (run["dag_id"], run["version"], run["state"], run["trigger"]) == ("sales", 1, "running", "api")
    assert run["params"] == {"day": "2025-01-31", "limit": 3}
    assert run["logical_date"] == "2025-01-31T00:00:00Z"
    assert run["task_counts"] == {"queued": 1, "pending": 2}
    assert run["triggered_by"]
    assert author.get(answer["Location"]).json() == run


def test_a_trigger_may_name_the_version(author: APIClient, version: DagVersion) -> None:
    publish({**DOCUMENT, "name": "Newer"})
    assert trigger(author).json()["version"] == 2
    assert trigger(author, {"version": 1}, key="k").json()["version"] == 1
    assert trigger(author, {"version": 2}, key="k").json()["code"] == "idempotency_conflict"
    answer = trigger(author, {"version": 3})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_version")


@pytest.mark.django_db(transaction=True)
def test_a_trigger_outside_a_transaction_sends_the_first_task(
    broker: str, author: APIClient, version: DagVersion
) -> None:
    assert trigger(author).status_code == 201
    assert empty_queues(["celeriac"]) == set()


def test_a_repeated_key_answers_with_the_first_run(author: APIClient, version: DagVersion) -> None:
    first = trigger(author, {"params": {"limit": 3}}, key="order-7")
    again = trigger(author, {"params": {"limit": 3}}, key="order-7")
    assert (first.status_code, again.status_code) == (201, 200)
    assert "Idempotent-Replay" not in first
    assert again["Idempotent-Replay"] == "true"
    assert again.json()["id"] == first.json()["id"]
    assert again["Location"] == first["Location"]
    by_body = trigger(author, {"params": {"limit": 3}, "external_id": "order-7"})
    assert (by_body.status_code, by_body.json()["id"]) == (200, first.json()["id"])
    quoted = trigger(author, {"params": {"limit": 3}}, key='"order-7"')
    assert (quoted.status_code, quoted.json()["external_id"]) == (200, "order-7")
    assert DagRun.objects.count() == 1


def test_a_repetition_on_a_later_day_is_still_the_same_request(author: APIClient, version: DagVersion) -> None:
    with time_machine.travel(datetime(2025, 1, 31, 23, 59, tzinfo=UTC), tick=False):
        first = trigger(author, key="k")
    assert first.json()["params"]["day"] == "2025-01-31"
    with time_machine.travel(datetime(2025, 2, 1, 0, 1, tzinfo=UTC), tick=False):
        assert trigger(author, key="k").json()["id"] == first.json()["id"]


def test_a_repetition_is_answered_though_the_dag_changed_or_was_paused(author: APIClient, version: DagVersion) -> None:
    first = trigger(author, key="k")
    changed = copy.deepcopy(DOCUMENT)
    changed["params"]["limit"]["default"] = 99
    publish(changed)
    author.post("/api/v1/dags/sales/pause")
    again = trigger(author, key="k")
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    assert trigger(author, key="new").json()["code"] == "dag_paused"


@pytest.mark.parametrize("body", [{"params": {"limit": 4}}, {"logical_date": "2024-01-01T00:00:00Z"}])
def test_the_same_key_for_something_else_is_a_conflict(
    author: APIClient, version: DagVersion, body: dict[str, Any]
) -> None:
    trigger(author, {"params": {"limit": 3, "day": "2025-01-31"}}, key="k")
    changed = {"params": {"limit": 3, "day": "2025-01-31"}, **body}
    answer = trigger(author, changed, key="k")
    assert (answer.status_code, answer.json()["code"]) == (409, "idempotency_conflict")


def test_the_same_key_for_another_dag_is_another_run(author: APIClient, version: DagVersion) -> None:
    publish({**DOCUMENT, "id": "other"})
    first = trigger(author, key="k")
    other = author.post("/api/v1/dags/other/runs", {}, HTTP_IDEMPOTENCY_KEY="k")
    assert (other.status_code, other.json()["id"] != first.json()["id"]) == (201, True)


@pytest.mark.django_db(transaction=True)
def test_the_same_key_at_the_same_moment_is_one_run(broker: str, author: APIClient, version: DagVersion) -> None:
    together = threading.Barrier(6)

    def ask(_: int) -> tuple[int, int]:
        try:
            together.wait(10)
            answer = trigger(author, key="k")
            return answer.status_code, answer.json()["id"]
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(ask, range(6)))
    assert sorted(status for status, _ in answers) == [200] * 5 + [201]
    assert len({run for _, run in answers}) == 1
    assert DagRun.objects.count() == 1


@pytest.mark.parametrize("key", ["", "\x01", "é", "x" * 251])
def test_an_impossible_key_is_400(author: APIClient, version: DagVersion, key: str) -> None:
    assert trigger(author, key=key).status_code == 400
    assert trigger(author, {"external_id": key}).status_code == 400
    assert not DagRun.objects.exists()


def test_a_key_in_header_and_body_that_differ_is_400(author: APIClient, version: DagVersion) -> None:
    assert trigger(author, {"external_id": "a"}, key="b").status_code == 400


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({"limit": "three"}, "wrong_type"),
        ({"limit": 0}, "out_of_range"),
        ({"nothing": 1}, "unknown_param"),
        ({"day": "yesterday"}, "bad_format"),
        ({"day": "\x00"}, "bad_format"),
    ],
)
def test_params_that_do_not_fit_are_422(
    author: APIClient, version: DagVersion, params: dict[str, Any], code: str
) -> None:
    answer = trigger(author, {"params": params})
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_params")
    assert [problem["code"] for problem in answer.json()["problems"]] == [code]


def test_params_are_data_and_never_templates(author: APIClient) -> None:
    publish({"id": "sales", "params": {"t": {"type": "string"}}, "tasks": DOCUMENT["tasks"]})
    answer = trigger(author, {"params": {"t": "{{ 7 * 7 }}"}})
    assert answer.json()["params"] == {"t": "{{ 7 * 7 }}"}


def test_triggering_what_cannot_run(author: APIClient, version: DagVersion) -> None:
    assert author.post("/api/v1/dags/none/runs", {}).json()["code"] == "unknown_dag"
    version.dag.current_version = None
    version.dag.save()
    answer = trigger(author)
    assert (answer.status_code, answer.json()["code"]) == (409, "no_version")


def test_runs_are_filtered_and_paged_by_key(author: APIClient, version: DagVersion) -> None:
    publish({**DOCUMENT, "id": "other"})
    ids = [launch("sales", on_commit=True, external_id=f"e{n}").pk for n in range(5)]
    last = launch("other", on_commit=True, trigger="code").pk

    def found(query: str) -> list[int]:
        answer = author.get(f"/api/v1/runs?{query}")
        assert answer.status_code == 200, answer.json()
        return [run["id"] for run in answer.json()["results"]]

    assert found("") == [last, *reversed(ids)]
    assert found("dag=other") == [last]
    assert found("trigger=code&trigger=api") == [last]
    assert found("external_id=e2") == [ids[2]]
    assert found("state=success&state=failed") == []
    assert found("state=running&created_after=2000-01-01T00:00:00Z") == [last, *reversed(ids)]
    assert found("created_before=2000-01-01T00:00:00Z") == []
    page = author.get("/api/v1/runs?limit=4").json()
    launch("sales", on_commit=True)  # what is new does not shift the next page
    rest = author.get(page["next"]).json()
    assert [run["id"] for run in rest["results"]] == [ids[1], ids[0]]
    assert (rest["next"], rest["next_cursor"]) == (None, None)


@pytest.mark.parametrize(
    "query",
    [
        "stat=failed",
        "state=nonsense",
        "limit=0",
        "limit=201",
        "limit=x",
        "limit=²",
        "cursor=x",
        "cursor=1:2",
        f"cursor={10**30}",
        "created_after=yesterday",
        "dag=%00",
        "ordering=id",
    ],
)
def test_a_wrong_query_is_400_and_never_another_answer(author: APIClient, query: str) -> None:
    answer = author.get(f"/api/v1/runs?{query}")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")


def test_cancel_pause_and_resume(author: APIClient, version: DagVersion) -> None:
    run = trigger(author).json()["id"]
    for _ in range(2):
        assert author.post(f"/api/v1/runs/{run}/pause").json()["paused_at"]
    for _ in range(2):
        assert author.post(f"/api/v1/runs/{run}/resume").json()["paused_at"] is None
    for _ in range(2):
        answer = author.post(f"/api/v1/runs/{run}/cancel")
        assert (answer.status_code, answer.json()["state"]) == (200, "cancelled")
    assert answer.json()["task_counts"] == {"cancelled": 3}
    assert author.post(f"/api/v1/runs/{run}/pause").json()["code"] == "run_is_over"
    assert author.post(f"/api/v1/runs/{run}/resume").status_code == 409
    assert author.post("/api/v1/runs/999999/cancel").json()["code"] == "unknown_run"


def test_cancelling_a_run_that_succeeded_is_a_conflict(author: APIClient, version: DagVersion) -> None:
    run = trigger(author).json()["id"]
    with connection.cursor() as cursor:
        cursor.execute("UPDATE workflows_dagrun SET state = 'success', ended_at = now()")
    answer = author.post(f"/api/v1/runs/{run}/cancel")
    assert (answer.status_code, answer.json()["code"]) == (409, "run_is_over")


def test_tasks_of_a_run(author: APIClient, version: DagVersion) -> None:
    run = trigger(author).json()["id"]
    TaskExecution.objects.filter(run_id=run, task_id="fetch").update(output={"rows": 3})
    body = author.get(f"/api/v1/runs/{run}/tasks").json()
    assert [task["task_id"] for task in body["results"]] == ["fetch", "clean", "report"]
    clean = body["results"][1]
    assert (clean["upstream"], clean["type"], clean["pool"]) == (["fetch"], "shell", "default")
    assert "output" not in clean
    assert "token" not in clean
    one = author.get(f"/api/v1/runs/{run}/tasks/fetch").json()
    assert (one["output"], one["state"]) == ({"rows": 3}, "queued")
    filtered = author.get(f"/api/v1/runs/{run}/tasks?state=pending&task=report").json()["results"]
    assert [task["task_id"] for task in filtered] == ["report"]
    for path, code in {
        f"{run}/tasks/nothing": "unknown_task",
        f"{run}/tasks/fetch?map_index=0": "unknown_task",
        "999999/tasks/fetch": "unknown_run",
        "999999/tasks": "unknown_run",
        "999999/events": "unknown_run",
    }.items():
        assert author.get(f"/api/v1/runs/{path}").json()["code"] == code


def test_tasks_are_paged_in_the_order_of_the_plan(author: APIClient, version: DagVersion) -> None:
    run = trigger(author).json()["id"]
    page = author.get(f"/api/v1/runs/{run}/tasks?limit=2").json()
    rest = author.get(page["next"]).json()
    assert [task["task_id"] for task in page["results"] + rest["results"]] == ["fetch", "clean", "report"]
    assert rest["next"] is None


def test_tasks_need_as_many_queries_for_one_as_for_many(author: APIClient) -> None:
    def queries(tasks: int) -> int:
        publish({"id": "sales", "tasks": {f"t{n}": {"type": "shell", "command": "true"} for n in range(tasks)}})
        run = trigger(author).json()["id"]
        author.get(f"/api/v1/runs/{run}/tasks")
        with CaptureQueriesContext(connection) as seen:
            assert len(author.get(f"/api/v1/runs/{run}/tasks").json()["results"]) == tasks
        return len(seen)

    assert queries(1) == queries(40)


def test_attempts_and_logs(author: APIClient, version: DagVersion) -> None:
    run = trigger(author).json()["id"]
    task = TaskExecution.objects.get(run_id=run, task_id="fetch")
    TaskAttempt.objects.create(
        task_execution=task, number=1, token="0" * 32, node="w1", ended_at=task.queued_at, end="retrying"
    )
    TaskExecution.objects.filter(pk=task.pk).update(attempt=2)
    TaskAttempt.objects.create(task_execution=task, number=2, token="1" * 32, node="w2")
    for seq, text in enumerate(["one\n", "two <b>\n", "três\n"]):
        LogChunk.objects.create(task_execution_id=task.pk, attempt=1, seq=seq, stream="stdout", text=text)
    base = f"/api/v1/runs/{run}/tasks/fetch"
    attempts = author.get(f"{base}/attempts").json()["results"]
    assert [(a["number"], a["node"], a["end"]) for a in attempts] == [(1, "w1", "retrying"), (2, "w2", "")]
    assert "token" not in attempts[0]
    current = author.get(f"{base}/logs").json()
    nothing = {"attempt": 2, "chunks": [], "next_after": -1, "complete": False, "begins": True, "first_line": None}
    assert current == nothing
    page = author.get(f"{base}/logs?attempt=1&limit=2").json()
    assert ([c["text"] for c in page["chunks"]], page["complete"]) == (["one\n", "two <b>\n"], False)
    rest = author.get(f"{base}/logs?attempt=1&after={page['next_after']}").json()
    assert ([c["text"] for c in rest["chunks"]], rest["complete"]) == (["três\n"], True)
    whole = author.get(f"{base}/logs/download?attempt=1", HTTP_ACCEPT="text/plain")
    assert whole.content.decode() == "one\ntwo <b>\ntrês\n"
    assert whole["Content-Type"] == "text/plain; charset=utf-8"
    assert whole["X-Content-Type-Options"] == "nosniff"
    assert whole["Content-Disposition"].startswith("attachment;")


@pytest.mark.django_db(transaction=True)
def test_events_follow_on_without_gaps_or_repeats(broker: str, author: APIClient, version: DagVersion) -> None:
    run = trigger(author).json()["id"]
    first = author.get(f"/api/v1/runs/{run}/events?limit=1").json()
    # What one transaction wrote comes together.
    assert [(e["task_id"], e["new"]) for e in first["events"]] == [("", "running"), ("fetch", "queued")]
    assert first["run_state"] == "running"
    quiet = author.get(f"/api/v1/runs/{run}/events?since={first['next_since']}").json()
    assert quiet == {"events": [], "next_since": first["next_since"], "run_state": "running"}
    author.post(f"/api/v1/runs/{run}/cancel")
    then = author.get(f"/api/v1/runs/{run}/events?since={first['next_since']}").json()
    assert [(e["task_id"], e["new"]) for e in then["events"]] == [
        ("", "cancelled"),
        ("fetch", "cancelled"),
        ("clean", "cancelled"),
        ("report", "cancelled"),
    ]
    assert then["run_state"] == "cancelled"
    assert then["events"][0]["message"].startswith("by user")


@pytest.mark.django_db(transaction=True)
def test_a_trigger_is_kept_while_the_broker_is_away(
    servers: Servers, broker: str, author: APIClient, version: DagVersion
) -> None:
    servers.valkey.kill()
    try:
        started = time.monotonic()
        answer = trigger(author)
        assert time.monotonic() - started < 10
        assert (answer.status_code, answer.json()["state"]) == (201, "running")
        assert author.post(f"/api/v1/runs/{answer.json()['id']}/cancel").json()["state"] == "cancelled"
    finally:
        servers.valkey.start()
