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

from tests.support import settings as test_settings
from workflows.engine import health, marks
from workflows.engine.launch import launch
from workflows.models import BrokerMark, Dag, DagVersion, Node, Schedule, TaskExecution

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
        newest = "SELECT max(name) FROM django_migrations WHERE app = 'workflows'"
        cursor.execute(f"DELETE FROM django_migrations WHERE app = 'workflows' AND name = ({newest})")
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
    Node.objects.create(name="w@a", hostname="a.internal", pid=1, concurrency=4, running=1, queues=["celeriac"])
    marks.put("sweep", "host:1")
    launch("sales", on_commit=True)
    answer = client.get("/health")
    assert answer.status_code == 200, answer.json()
    checks = answer.json()["checks"]
    assert {name: check["status"] for name, check in checks.items()} == {
        "database": "ok",
        "migrations": "ok",
        "broker": "ok",
        "workers": "ok",
        "nodes": "ok",
        "lag": "ok",
        "reconciler": "ok",
        "beat": "ok",
        "schedules": "ok",
        "messages": "ok",
    }
    assert checks["workers"] == {"status": "ok", "alive": 1, "slots": 4, "running": 1}
    assert checks["lag"]["waiting"] == 1


@pytest.mark.django_db
def test_no_worker_is_a_failure_only_while_tasks_wait(client: Client, broker: str, version: DagVersion) -> None:
    marks.put("sweep", "host:1")
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
    real = current_app.connection_for_write
    monkeypatch.setattr(current_app, "connection_for_write", lambda **kwargs: real(url, connect_timeout=1))
    answer = client.get("/health")
    assert (answer.status_code, answer.json()["checks"]["broker"]) == (503, {"status": "fail"})
    assert test_settings.SERVER_PASSWORD not in json.dumps(answer.json())


def part(client: Client, name: str) -> dict[str, Any]:
    """One check of /health."""
    found: dict[str, Any] = client.get("/health").json()["checks"][name]
    return found


@pytest.mark.django_db
def test_a_worker_that_stands_still_is_worse_when_it_is_alone(client: Client, broker: str) -> None:
    some = {"hostname": "a.internal", "pid": 1, "queues": ["celeriac"]}
    Node.objects.create(name="still@a", stalled_at="2025-01-31T00:00:00Z", **some)
    assert part(client, "nodes") == {"status": "fail", "stalled": 1}
    Node.objects.create(name="works@a", **some)
    assert part(client, "nodes") == {"status": "warn", "stalled": 1}


@pytest.mark.django_db
def test_without_a_reconciler_nothing_lost_is_found(client: Client, broker: str) -> None:
    assert part(client, "reconciler") == {"status": "fail"}
    marks.put("sweep", "host:1")
    assert part(client, "reconciler")["status"] == "ok"
    BrokerMark.objects.update(at="2025-01-31T00:00:00Z")
    assert part(client, "reconciler")["status"] == "fail"


@pytest.mark.django_db
def test_beat_is_missed_once_it_has_something_to_do(client: Client, broker: str) -> None:
    from django_celery_beat.models import IntervalSchedule, PeriodicTask

    assert part(client, "beat") == {"status": "ok"}
    every = IntervalSchedule.objects.create(every=10, period="seconds")
    PeriodicTask.objects.create(name="tick", task="celeriac.reconcile", interval=every)
    assert part(client, "beat") == {"status": "ok"}, "beat has its time to begin"
    PeriodicTask.objects.update(date_changed="2025-01-31T00:00:00Z")
    assert part(client, "beat") == {"status": "warn"}
    marks.put("beat", "tick")
    assert part(client, "beat")["status"] == "ok"


@pytest.mark.django_db
def test_a_due_date_that_nobody_dealt_with_is_seen(client: Client, broker: str, version: DagVersion) -> None:
    schedule = Schedule.objects.create(dag=version.dag, spec={}, next_at="2025-01-31T00:00:00Z")
    assert part(client, "schedules") == {"status": "warn", "schedules": 1, "overdue": 1}
    Dag.objects.update(paused_at="2025-01-01T00:00:00Z")
    assert part(client, "schedules") == {"status": "ok", "schedules": 0, "overdue": 0}
    Dag.objects.update(paused_at=None)
    Schedule.objects.filter(pk=schedule.pk).update(next_at=None)
    assert part(client, "schedules")["status"] == "ok"


@pytest.mark.django_db
def test_messages_that_were_thrown_away_are_counted(client: Client, broker: str) -> None:
    assert part(client, "messages") == {"status": "ok", "dropped": 0}
    for kind in ("unknown_task", "malformed", "malformed"):
        marks.dropped(kind)
    assert part(client, "messages") == {"status": "warn", "dropped": 3}
    BrokerMark.objects.update(at="2025-01-31T00:00:00Z")
    assert part(client, "messages") == {"status": "ok", "dropped": 3}


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
