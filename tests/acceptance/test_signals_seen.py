"""What Flower sees: Celery's task events tell each attempt as it ended, under the DAG's and the task's name."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import DjangoDbBlocker

from tests.support.servers import Servers
from tests.support.staging import Stage, deed, staged
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def stage(
    servers: Servers, _valkey: str, _template_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stage]:
    with staged(servers, _valkey, _template_database, django_db_blocker) as start:
        yield start(concurrency=2, options=("-E",))


@pytest.fixture
def events(stage: Stage) -> Iterator[list[dict[str, Any]]]:
    """The task events of the stage's worker, as Flower receives them."""
    from orchestrator.celery import app

    seen: list[dict[str, Any]] = []
    heard = threading.Event()

    def note(event: dict[str, Any]) -> None:
        seen.append(event)
        heard.set()

    with app.connection_for_read() as connection:
        receiver = app.events.Receiver(connection, handlers={"*": note})
        thread = threading.Thread(target=receiver.capture, kwargs={"wakeup": False}, daemon=True)
        thread.start()
        assert heard.wait(15), "no event of the worker, not even a heartbeat"
        yield seen
        receiver.should_stop = True
        thread.join(10)


def told(events: list[dict[str, Any]], celery_id: str) -> list[str]:
    """The types of the events of one Celery task, in order."""
    return [event["type"] for event in events if event.get("uuid") == celery_id]


def test_flower_sees_names_and_true_ends(stage: Stage, events: list[dict[str, Any]]) -> None:
    tasks = {
        "good": deed("work"),
        "again": deed("work", fail_until=1, retry={"max_attempts": 2, "delay": 0}),
        "bad": deed("work", fail_until=9),
        "dies": deed("die", times=1),
        "late": deed("work", seconds=20, timeout=0.5),
    }
    run = stage.run("seen", tasks)
    assert stage.ended(run) == ["failed"]
    ends = {
        "0-1": "task-succeeded",
        "1-1": "task-retried",
        "1-2": "task-succeeded",
        "2-1": "task-failed",
        "3-1": "task-failed",
        "3-2": "task-succeeded",
        "4-1": "task-failed",
    }
    for attempt, last in ends.items():
        celery_id = f"{run}.{attempt}"
        eventually(
            lambda celery_id=celery_id, last=last: told(events, celery_id)[-1:] == [last],
            10,
            saying=lambda celery_id=celery_id: f"{celery_id}: {told(events, celery_id)}",
        )
        assert told(events, celery_id)[:2] == ["task-received", "task-started"]
        assert len(told(events, celery_id)) == 3
    names = {event["uuid"]: event["name"] for event in events if event["type"] == "task-received"}
    assert [names[f"{run}.{position}-1"] for position in range(5)] == [f"seen.{task}" for task in tasks]
    stage.check(run)


def test_what_is_revoked_in_flower_is_cancelled_in_the_run(stage: Stage) -> None:
    """Or the reconciler would send it again for ever."""
    from orchestrator.celery import app

    run = stage.run("revoked", {"t": deed("work", gate=stage.gate("never")), "after": deed("work", depends_on=["t"])})
    stage.started(run, "t")
    app.control.revoke(f"{run}.0-1", terminate=True, signal="SIGKILL")
    assert stage.ended(run) == ["failed"]
    assert stage.tasks(run) == {"t": "cancelled/cancelled_by_user", "after": "upstream_failed/upstream_failed"}
    assert stage.attempts(run, "t") == ["cancelled/cancelled_by_user"]
    stage.check(run)
