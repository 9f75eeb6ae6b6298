"""What there is to use: task types, pools, nodes, the schemas."""

from __future__ import annotations

from datetime import timedelta
from io import StringIO
from pathlib import Path

import jsonschema
import pytest
import yaml
from django.core.management import call_command
from django.utils import timezone
from rest_framework.test import APIClient

from tests.integration.api.conftest import DOCUMENT
from tests.support.hands import dag, held, start
from workflows.models import Node, NodePool
from workflows.operators.registry import TYPES

COMMITTED = Path(__file__).resolve().parents[3] / "api" / "openapi.yaml"


@pytest.mark.django_db
def test_task_types_have_a_schema_for_forms(author: APIClient) -> None:
    found = {row["name"]: row for row in author.get("/api/v1/task-types").json()["results"]}
    assert set(found) == set(TYPES)
    for row in found.values():
        jsonschema.Draft202012Validator.check_schema(row["parameters"])
    assert author.get("/api/v1/task-types/shell").json() == found["shell"]
    assert author.get("/api/v1/task-types/nonsense").json()["code"] == "not_found"


@pytest.mark.django_db
def test_the_documents_schema_accepts_a_document(author: APIClient) -> None:
    schema = author.get("/api/v1/documents/schema").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(DOCUMENT, schema, cls=jsonschema.Draft202012Validator)


@pytest.mark.django_db
def test_pools(author: APIClient) -> None:
    NodePool.objects.create(name="io", description="Slow disks")
    rows = {row["name"]: row["queue"] for row in author.get("/api/v1/pools").json()["results"]}
    assert rows == {"default": "celeriac", "io": "celeriac.io"}
    assert author.get("/api/v1/pools/io").json()["description"] == "Slow disks"
    assert author.get("/api/v1/pools/none").status_code == 404


@pytest.mark.django_db
def test_nodes_say_whether_they_are_alive(author: APIClient) -> None:
    now = timezone.now()
    for name, facts in {
        "here@a": {},
        "gone@a": {"heartbeat_at": now - timedelta(hours=1)},
        "off@a": {"stopped_at": now},
    }.items():
        Node.objects.create(name=name, hostname="a", pid=1, **facts)
    rows = author.get("/api/v1/nodes").json()["results"]
    assert {row["name"]: row["alive"] for row in rows} == {"here@a": True, "gone@a": False, "off@a": False}
    alive = author.get("/api/v1/nodes?alive=true").json()["results"]
    assert [row["name"] for row in alive] == ["here@a"]
    assert author.get("/api/v1/nodes/off@a").json()["alive"] is False


def test_the_committed_schema_is_the_one_that_the_code_makes() -> None:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    assert yaml.safe_load(out.getvalue()) == yaml.safe_load(COMMITTED.read_text(encoding="utf-8")), (
        "run: python manage.py spectacular --validate --fail-on-warn --file api/openapi.yaml"
    )


@pytest.mark.django_db
def test_the_served_schema_is_json_for_those_logged_in(author: APIClient) -> None:
    answer = author.get("/api/v1/schema", HTTP_ACCEPT="application/json")
    assert answer.status_code == 200
    assert "/api/v1/dags/{dag_id}/runs" in answer.json()["paths"]
    assert APIClient().get("/api/v1/schema").status_code == 401


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("broker")
def test_metrics_are_for_prometheus(author: APIClient) -> None:
    run = start(dag(a={}, b={}, c={"depends_on": ["a"]}))
    held(run, "a")
    NodePool.objects.create(name="db", slots=1)
    start(dag("limited", a={"pool": "db"}, b={"pool": "db"}))
    start(dag("limited", a={"pool": "db"}, b={"pool": "db"}))
    Node.objects.create(name="w@host", hostname="host", pid=1, running=1)
    answer = author.get("/api/v1/metrics", headers={"Accept": "application/openmetrics-text, */*"})
    assert answer["Content-Type"].startswith("text/plain")
    text = answer.content.decode()
    for line in (
        'celeriac_runs_active{state="running"} 3.0',
        'celeriac_tasks_held{queue="celeriac.db"} 3.0',
        'celeriac_pool_slots{pool="db"} 1.0',
        'celeriac_pool_slots_used{pool="db"} 1.0',
        'celeriac_runs_active{state="pending"} 0.0',
        'celeriac_tasks_active{queue="celeriac",state="queued"} 1.0',
        'celeriac_tasks_active{queue="celeriac",state="running"} 1.0',
        'celeriac_node_up{node="w@host"} 1.0',
        'celeriac_node_tasks_running{node="w@host"} 1.0',
    ):
        assert line in text
    assert "celeriac_queued_oldest_seconds" in text
