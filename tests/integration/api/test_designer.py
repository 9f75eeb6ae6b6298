"""What the designer asks of the API: layouts, documents as data and text, and that nobody is overwritten."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.integration.api.conftest import DOCUMENT, VIEWER, ClientOf
from workflows.core.formats import content_hash
from workflows.engine.publish import publish
from workflows.models import DagVersion

pytestmark = pytest.mark.django_db
LAYOUT = "/api/v1/dags/sales/versions/1/layout"
SOURCE = "# a comment\nid:  drawn\ntasks:\n  a: {type: shell, command: 'true', timeout: 1.0}\n"


def changed(name: str) -> dict[str, Any]:
    return {**DOCUMENT, "name": name}


def test_a_layout_is_kept_with_its_version_and_changes_nothing_else(author: APIClient, version: DagVersion) -> None:
    assert set(author.get(LAYOUT).json()["positions"]) == set(DOCUMENT["tasks"]), "drawn when it was published"
    answer = author.put(LAYOUT, {"positions": {"fetch": [10.4, -20], "gone": [1, 2]}})
    assert answer.json() == {"positions": {"fetch": [10, -20]}}
    assert author.get(LAYOUT).json() == answer.json()
    after = DagVersion.objects.get()
    assert (after.content_hash, after.source) == (version.content_hash, version.source)


@pytest.mark.parametrize("positions", [{"fetch": [1]}, {"fetch": ["x", 2]}, {"fetch": [1e9, 0]}, [], None])
def test_a_bad_layout_is_refused(author: APIClient, version: DagVersion, positions: object) -> None:
    before = author.get(LAYOUT).json()
    assert author.put(LAYOUT, {"positions": positions}).status_code == 400
    assert author.get(LAYOUT).json() == before


def test_a_viewer_sees_a_layout_and_may_not_change_it(client_of: ClientOf, version: DagVersion) -> None:
    viewer = client_of(*VIEWER)
    assert viewer.get(LAYOUT).status_code == 200
    assert viewer.put(LAYOUT, {"positions": {}}).status_code == 403


def test_publishing_keeps_the_layout(author: APIClient, version: DagVersion) -> None:
    given = {"document": changed("drawn"), "layout": {"clean": [1, 2]}, "base": 1}
    assert author.patch("/api/v1/dags/sales", given).status_code == 201
    assert author.get("/api/v1/dags/sales/versions/2/layout").json()["positions"]["clean"] == [1, 2]


def test_a_layout_outlives_what_another_door_publishes(author: APIClient, version: DagVersion) -> None:
    author.put(LAYOUT, {"positions": {"fetch": [10, 20], "clean": [300, 400]}})
    new = {"type": "shell", "command": "echo new", "depends_on": ["fetch"]}
    publish({**DOCUMENT, "tasks": {"fetch": DOCUMENT["tasks"]["fetch"], "new": new}})
    positions = author.get("/api/v1/dags/sales/versions/2/layout").json()["positions"]
    assert positions["fetch"] == [10, 20]
    assert positions["new"] == [10 + 244, 20]
    assert "clean" not in positions


def test_publishing_on_another_base_is_a_conflict_and_stores_nothing(author: APIClient, version: DagVersion) -> None:
    assert author.patch("/api/v1/dags/sales", {"document": changed("hers"), "base": 1}).status_code == 201
    answer = author.patch("/api/v1/dags/sales", {"document": changed("his"), "base": 1})
    assert (answer.status_code, answer.json()["code"]) == (409, "version_conflict")
    assert DagVersion.objects.count() == 2
    assert author.patch("/api/v1/dags/sales", {"document": changed("his"), "base": 2}).status_code == 201


def test_a_new_dag_is_not_drawn_over_another(author: APIClient, version: DagVersion) -> None:
    answer = author.post("/api/v1/dags", {"document": changed("mine"), "base": 0})
    assert (answer.status_code, answer.json()["code"]) == (409, "version_conflict")


def test_a_document_is_converted_without_loss(author: APIClient) -> None:
    same = author.post("/api/v1/documents/convert", {"source": SOURCE}).json()
    assert (same["source"], same["format"]) == (SOURCE, "yaml")
    assert same["content_hash"] == content_hash(same["document"])
    as_json = author.post("/api/v1/documents/convert", {"source": SOURCE, "to": "json"}).json()
    back = author.post("/api/v1/documents/convert", {"source": as_json["source"], "to": "yaml"}).json()
    assert back["content_hash"] == same["content_hash"]
    from_data = author.post("/api/v1/documents/convert", {"document": same["document"], "to": "yaml"}).json()
    assert from_data["content_hash"] == same["content_hash"]


@pytest.mark.parametrize("source", ["- a\n- b\n", "id: [", "just text"])
def test_what_is_no_document_has_its_problems(author: APIClient, source: str) -> None:
    answer = author.post("/api/v1/documents/convert", {"source": source})
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_document")
