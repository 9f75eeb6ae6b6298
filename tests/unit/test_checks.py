"""Settings that Celeriac cannot work with are told by `manage.py check`, each with what mends it."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.checks import run_checks

from workflows import checks, failpoints
from workflows.conf import conf
from workflows.executors import requirements

GOOD: dict[str, Any] = {
    "task_always_eager": False,
    "task_serializer": "json",
    "accept_content": ["json"],
    "result_backend": "redis://127.0.0.1/0",
    "broker_url": "redis://127.0.0.1/0",
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "broker_transport_options": {"priority_steps": list(range(10)), "queue_order_strategy": "priority"},
    "worker_cancel_long_running_tasks_on_connection_loss": False,
}


@pytest.fixture(autouse=True)
def _conf_afterwards() -> Iterator[None]:
    yield
    conf.reload()


def complaints_of(monkeypatch: pytest.MonkeyPatch, **changes: Any) -> list[int]:
    """The numbers of the complaints about these Celery settings."""
    app = SimpleNamespace(conf=SimpleNamespace(**GOOD | changes))
    monkeypatch.setattr(requirements, "current_app", app)
    return [each.number for each in requirements.complaints()]


def test_our_own_settings_are_fit() -> None:
    assert list(requirements.complaints()) == []
    assert run_checks(tags=["celeriac"]) == []


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"task_always_eager": True}, 1),
        ({"task_serializer": "yaml"}, 2),
        ({"accept_content": ["yaml"]}, 2),
        ({"result_backend": None}, 3),
        ({"result_backend": "disabled://"}, 3),
        ({"broker_url": "memory://"}, 4),
        ({"worker_prefetch_multiplier": 4, "worker_disable_prefetch": False}, 5),
        ({"broker_transport_options": {}}, 6),
        ({"broker_transport_options": {"priority_steps": list(range(10))}}, 6),
        ({"worker_cancel_long_running_tasks_on_connection_loss": True}, 7),
    ],
)
def test_each_unfit_setting_is_found(changes: dict[str, Any], number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaints_of(monkeypatch, **changes) == [number]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"worker_prefetch_multiplier": 4},
        {"broker_url": "amqp://rabbit", "broker_transport_options": {}},
    ],
)
def test_what_does_no_harm_is_not_complained_of(changes: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    assert complaints_of(monkeypatch, **changes) == []


def test_without_chords_no_result_backend_is_needed(monkeypatch: pytest.MonkeyPatch, settings: Any) -> None:
    settings.CELERIAC = {**settings.CELERIAC, "CANVAS_MAX_HEADER": 1}
    conf.reload()
    assert complaints_of(monkeypatch, result_backend=None) == []


def test_gravity_decides_between_error_and_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints_of(monkeypatch, task_always_eager=True, worker_cancel_long_running_tasks_on_connection_loss=True)
    found = checks.check_celery()
    assert [(each.id, each.is_serious()) for each in found] == [("celeriac.E011", True), ("celeriac.W017", False)]
    assert all(each.hint for each in found)


def test_a_misspelt_setting_is_told(settings: Any) -> None:
    settings.CELERIAC = {"LEASE_SECOND": 3}
    (found,) = checks.check_setting()
    assert found.id == "celeriac.E001"
    assert "LEASE_SECOND" in found.msg
    assert checks.check_celery() == []  # it would read the same setting


def test_another_database_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "connections", {"default": SimpleNamespace(vendor="sqlite")})
    (found,) = checks.check_database()
    assert found.id == "celeriac.E002"
    assert "sqlite" in found.msg


def test_armed_failpoints_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is to find out in production by a worker that kills itself."""
    assert checks.check_failpoints() == []
    monkeypatch.setattr(failpoints, "_armed", failpoints.Armed("claimed=kill"))
    assert [each.id for each in checks.check_failpoints()] == ["celeriac.W001"]
