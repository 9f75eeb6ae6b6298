"""Health: open to strangers, exact, honest about what is down, silent about everything else."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from celery import current_app
from django.db import DatabaseError, connection
from django.test import Client

from orchestrator import health
from tests.support import settings as test_settings
from workflows.engine.launch import launch
from workflows.models import DagVersion, Node, TaskExecution

PATHS = ("/health", "/healthz", "/readyz")


@pytest.fixture
def client() -> Client:
    """A stranger."""
    return Client()


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_applied", False)


@contextmanager
def database_away() -> Iterator[None]:
    """Every statement fails, with an error text that nobody outside may see."""

    def refuse(*args: Any) -> Any:
        raise DatabaseError("could not connect to 10.0.0.5 with password s3cret")

    with connection.execute_wrapper(refuse):
        yield


def test_alive_asks_nobody(client: Client) -> None:
    answer = client.get("/healthz")  # pytest-django would refuse a query: this test has no database
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert "no-store" in answer["Cache-Control"]


@pytest.mark.django_db
def test_ready_means_database_and_migrations(client: Client, django_assert_num_queries: Any) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert set(answer.json()["checks"]) == {"database", "migrations"}
    with django_assert_num_queries(1):  # that everything is migrated is not asked again
        client.get("/readyz")


@pytest.mark.django_db
def test_not_ready_while_a_migration_is_missing(client: Client) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM django_migrations WHERE app = 'workflows' AND name LIKE '0004%%'")
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["migrations"]) == (503, {"status": "fail"})


@pytest.mark.django_db
def test_a_database_that_is_away_is_503_without_a_word_about_it(client: Client, broker: str) -> None:
    with database_away():
        for path in ("/readyz", "/health"):
            answer = client.get(path)
            assert (answer.status_code, answer.json()["status"]) == (503, "fail")
            assert "s3cret" not in answer.content.decode()
        assert client.get("/healthz").status_code == 200


@pytest.mark.django_db
def test_health_of_a_stack_that_works(client: Client, broker: str, version: DagVersion) -> None:
    Node.objects.create(name="w@a", hostname="a.internal", pid=1, concurrency=4, running=1)
    launch("sales", on_commit=True)
    answer = client.get("/health")
    assert answer.status_code == 200, answer.json()
    checks = answer.json()["checks"]
    assert {name: check["status"] for name, check in checks.items()} == {
        "database": "ok",
        "migrations": "ok",
        "broker": "ok",
        "workers": "ok",
        "lag": "ok",
    }
    assert checks["workers"] == {"status": "ok", "alive": 1, "slots": 4, "running": 1}
    assert checks["lag"]["waiting"] == 1


@pytest.mark.django_db
def test_no_worker_is_a_failure_only_while_tasks_wait(client: Client, broker: str, version: DagVersion) -> None:
    assert client.get("/health").json()["status"] == "warn"
    run = launch("sales", on_commit=True)
    TaskExecution.objects.filter(run=run, state="queued").update(queued_at="2025-01-31T00:00:00Z")
    answer = client.get("/health")
    assert answer.status_code == 503
    assert answer.json()["checks"]["workers"]["status"] == "fail"
    assert answer.json()["checks"]["lag"]["status"] == "warn"
    assert answer.json()["checks"]["lag"]["seconds"] > 3600


@pytest.mark.django_db
def test_a_broker_that_is_away_is_503_without_its_address(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    url = f"redis://:{test_settings.SERVER_PASSWORD}@127.0.0.1:1/0"
    monkeypatch.setattr(
        current_app, "connection_for_read", lambda **kwargs: current_app.connection(url, connect_timeout=1)
    )
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["checks"]["broker"]) == (503, {"status": "fail"})
    assert test_settings.SERVER_PASSWORD not in json.dumps(answer.json())


@pytest.mark.django_db
@pytest.mark.parametrize("path", PATHS)
def test_health_can_only_be_read(client: Client, broker: str, path: str) -> None:
    assert client.head(path).status_code == client.get(path).status_code
    for method in (client.post, client.put, client.patch, client.delete, client.options):
        assert method(path).status_code == 405


@pytest.mark.django_db
def test_health_names_nothing(client: Client, broker: str) -> None:
    Node.objects.create(name="secret-node@a", hostname="secret.internal", pid=1, software="celery 5.7")
    text = client.get("/health").content.decode()
    for word in ("secret", "celery", "5.7", "127.0.0.1", "postgres", "redis", "valkey"):
        assert word not in text
