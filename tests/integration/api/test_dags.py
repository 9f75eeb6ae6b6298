"""DAGs over HTTP: publish, find, pause; and their versions."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.integration.api.conftest import DOCUMENT
from workflows.engine.publish import publish
from workflows.models import Dag, DagVersion

pytestmark = pytest.mark.django_db
SOURCE = """\
# kept, with this comment
id:   text_dag
tasks:
  only: {type: shell, command: "echo  hi"}   # and this one
"""


def document(**changes: Any) -> dict[str, Any]:
    """The test document with changes at its top."""
    return {**copy.deepcopy(DOCUMENT), **changes}


def test_publishing_a_new_document_creates_the_dag(author: APIClient) -> None:
    answer = author.post("/api/v1/dags", {"document": DOCUMENT, "note": "first"})
    assert answer.status_code == 201, answer.json()
    assert answer["Location"] == "http://testserver/api/v1/dags/sales"
    body = answer.json()
    assert (body["dag_id"], body["current_version"], body["task_count"]) == ("sales", 1, 3)
    assert body["params_schema"]["properties"]["limit"]["type"] == "integer"
    version = DagVersion.objects.get()
    assert (version.note, version.created_by is not None) == ("first", True)


def test_publishing_the_same_content_again_is_no_new_version(author: APIClient, version: DagVersion) -> None:
    answer = author.post("/api/v1/dags", {"document": DOCUMENT})
    assert (answer.status_code, answer.json()["current_version"]) == (200, 1)
    assert "Location" not in answer
    assert DagVersion.objects.count() == 1


def test_patching_publishes_a_new_version(author: APIClient, version: DagVersion) -> None:
    answer = author.patch("/api/v1/dags/sales", {"document": document(name="Sales, again")})
    assert (answer.status_code, answer.json()["current_version"]) == (201, 2)


def test_patching_with_the_document_of_another_dag_stores_nothing(author: APIClient, version: DagVersion) -> None:
    answer = author.patch("/api/v1/dags/sales", {"document": document(id="other")})
    assert (answer.status_code, answer.json()["problems"][0]["code"]) == (422, "id_mismatch")
    assert list(Dag.objects.values_list("dag_id", flat=True)) == ["sales"]


def test_patching_an_unknown_dag_is_404(author: APIClient) -> None:
    answer = author.patch("/api/v1/dags/nothing", {"document": document(id="nothing")})
    assert (answer.status_code, answer.json()["code"]) == (404, "unknown_dag")


def test_a_document_with_problems_is_refused_with_every_one(author: APIClient) -> None:
    tasks = {
        "a": {"type": "shell", "command": "true", "depends_on": ["b"]},
        "b": {"type": "shell", "command": "true", "depends_on": ["a"]},
        "c": {"type": "nonsense"},
    }
    answer = author.post("/api/v1/dags", {"document": document(tasks=tasks)})
    assert answer.status_code == 422
    assert answer["Content-Type"] == "application/problem+json"
    codes = {problem["code"] for problem in answer.json()["problems"]}
    assert {"cycle", "unknown_type"} <= codes
    assert not Dag.objects.exists()


@pytest.mark.parametrize(
    "part",
    [
        {"name": "x" * 251},
        {"config": {"owner": "x" * 201}},
        {"config": {"tags": ["x" * 101]}},
        {"id": "x" * 201},
        {"description": "\x00"},
        {"tasks": {"t" * 201: {"type": "shell", "command": "true"}}},
        {"tasks": {"t": {"type": "shell", "command": "true", "pool": "p" * 101}}},
        {"config": {"timeout": 1e300}},
    ],
)
def test_what_the_tables_have_no_room_for_is_a_problem_of_the_document(author: APIClient, part: dict[str, Any]) -> None:
    answer = author.post("/api/v1/dags", {"document": document(**part)})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_document"), answer.json()
    assert not Dag.objects.exists()


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"document": DOCUMENT, "source": SOURCE},
        {"document": DOCUMENT, "format": "json"},
        {"document": [1]},
        {"source": 7},
        {"source": SOURCE, "format": "toml"},
        [],
        "text",
    ],
)
def test_a_body_of_the_wrong_shape_is_400(author: APIClient, body: Any) -> None:
    answer = author.post("/api/v1/dags", body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid")
    assert answer.json()["problems"]


def test_a_source_is_exported_byte_for_byte_and_in_the_other_format(author: APIClient) -> None:
    assert author.post("/api/v1/dags", {"source": SOURCE}).status_code == 201
    same = author.get("/api/v1/dags/text_dag/versions/1/document")
    assert same.content.decode() == SOURCE
    assert same["Content-Type"] == "application/yaml; charset=utf-8"
    assert same["Content-Disposition"] == 'attachment; filename="text_dag.v1.yaml"'
    other = author.get("/api/v1/dags/text_dag/versions/1/document?format=json", HTTP_ACCEPT="text/csv")
    assert other["Content-Type"] == "application/json; charset=utf-8"
    assert other.json() == DagVersion.objects.get().document


def test_versions_are_listed_newest_first_without_their_documents(author: APIClient, version: DagVersion) -> None:
    publish(document(name="two"))
    body = author.get("/api/v1/dags/sales/versions").json()
    assert [row["number"] for row in body["results"]] == [2, 1]
    assert "document" not in body["results"][0]
    one = author.get("/api/v1/dags/sales/versions/1").json()
    assert json.dumps(one["document"]) == json.dumps(DOCUMENT)  # in the same order, too
    assert list(author.get("/api/v1/dags/sales").json()["params_schema"]["properties"]) == ["day", "limit"]
    assert author.get("/api/v1/dags/sales/versions/3").json()["code"] == "unknown_version"
    assert author.get("/api/v1/dags/none/versions/1").json()["code"] == "unknown_dag"
    assert author.get("/api/v1/dags/none/versions").json()["code"] == "unknown_dag"


def test_explain_of_a_stored_and_of_a_given_document_agree(author: APIClient, version: DagVersion) -> None:
    stored = author.get("/api/v1/dags/sales/versions/1/explain").json()
    given = author.post("/api/v1/documents/explain", {"document": DOCUMENT}).json()
    assert stored == given
    assert stored["levels"] == [["fetch"], ["clean"], ["report"]]
    assert stored["segments"][0]["canvas"] == "fetch > clean > report"
    assert stored["segments"][0]["queues"] == ["celeriac"]
    assert 0 < stored["largest_message"] < 64_000


def test_explain_of_a_bad_document_is_422(author: APIClient) -> None:
    answer = author.post("/api/v1/documents/explain", {"source": "id: x\ntasks: {a: {type: nonsense}}"})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_document")


def test_validate_says_every_problem_with_its_line_and_stores_nothing(author: APIClient) -> None:
    answer = author.post(
        "/api/v1/documents/validate",
        {"source": "id: x\ntasks:\n  a: {type: nonsense}\n  b: {type: shell, command: x, depends_on: [z]}\n"},
    )
    body = answer.json()
    assert (answer.status_code, body["valid"]) == (200, False)
    assert {(p["code"], p["line"]) for p in body["problems"]} >= {
        ("unknown_type", 3),
        ("unknown_upstream", 4),
    }
    assert author.post("/api/v1/documents/validate", {"document": DOCUMENT}).json() == {
        "valid": True,
        "problems": [],
    }
    assert not Dag.objects.exists()


def test_pause_and_resume(author: APIClient, version: DagVersion) -> None:
    for _ in range(2):
        assert author.post("/api/v1/dags/sales/pause").json()["paused"] is True
    for _ in range(2):
        assert author.post("/api/v1/dags/sales/resume").json()["paused"] is False
    assert author.post("/api/v1/dags/none/pause").json()["code"] == "unknown_dag"


@pytest.fixture
def three(version: DagVersion) -> None:
    """Three DAGs, of which `beta` is paused."""
    publish(document(id="beta", name="Zebra", config={"tags": ["daily"], "owner": "x"}))
    publish(document(id="alpha", name="Alpha", description="the needle", config={"owner": "x"}))
    Dag.objects.filter(dag_id="beta").update(paused_at="2025-01-31T02:00:00+08:00")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["alpha", "beta", "sales"]),
        ("tag=daily", ["beta", "sales"]),
        ("tag=daily&tag=shop", ["sales"]),
        ("owner=x", ["alpha", "beta"]),
        ("paused=true", ["beta"]),
        ("paused=false", ["alpha", "sales"]),
        ("search=NEEDLE", ["alpha"]),
        ("search=zeb", ["beta"]),
        ("ordering=-name", ["beta", "sales", "alpha"]),
        ("limit=1&page=2", ["beta"]),
    ],
)
def test_dags_are_filtered_sorted_and_paged(author: APIClient, three: None, query: str, found: list[str]) -> None:
    answer = author.get(f"/api/v1/dags?{query}")
    assert answer.status_code == 200, answer.json()
    assert [dag["dag_id"] for dag in answer.json()["results"]] == found


def test_times_are_in_utc(author: APIClient, three: None) -> None:
    assert author.get("/api/v1/dags/beta").json()["paused_at"] == "2025-01-30T18:00:00Z"


def test_a_deleted_dag_is_gone(author: APIClient, version: DagVersion) -> None:
    Dag.objects.update(deleted_at="2025-01-31T00:00:00Z")
    for path in ("dags/sales", "dags/sales/versions", "dags/sales/versions/1"):
        assert author.get(f"/api/v1/{path}").status_code == 404
    assert author.get("/api/v1/dags").json()["results"] == []
    assert author.post("/api/v1/dags/sales/runs", {}).status_code == 404


@pytest.mark.parametrize("path", ["dags", "runs", "pools", "nodes", "dags/sales/versions"])
def test_lists_ask_as_much_of_the_database_for_one_row_as_for_many(
    author: APIClient,
    version: DagVersion,
    django_assert_num_queries: Callable[..., Any],
    path: str,
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from workflows.engine.launch import launch
    from workflows.models import Node, NodePool

    def grow(number: int) -> None:
        publish(document(id=f"dag{number}"))
        publish(document(name=f"version {number}"))
        launch("sales", on_commit=True)
        NodePool.objects.create(name=f"pool{number}")
        Node.objects.create(name=f"n{number}", hostname="h", pid=1)

    grow(0)
    author.get(f"/api/v1/{path}")
    with CaptureQueriesContext(
        connection,
    ) as few:
        assert author.get(f"/api/v1/{path}").status_code == 200
    for number in range(1, 8):
        grow(number)
    with django_assert_num_queries(len(few)):
        assert len(author.get(f"/api/v1/{path}").json()["results"]) > 6
