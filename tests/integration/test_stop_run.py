"""Stopping a run is one transaction, in every process that does it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from workflows.core.errors import CeleriacError
from workflows.core.states import Reason, RunState
from workflows.engine import control, sql, transitions
from workflows.engine.launch import launch
from workflows.engine.publish import publish
from workflows.models import DagRun, Event, NodePool

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def run(broker: str) -> DagRun:
    """A run with a task that waits for a worker."""
    NodePool.objects.get_or_create(name="default")
    return launch(publish({"id": "d", "tasks": {"a": {"type": "shell", "command": "true"}}}))


@pytest.fixture
def own_connection(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine's connection as the reconciler and the workers have it."""
    monkeypatch.setattr(sql, "_session", sql._Shared())
    sql.use_own_connection()
    yield
    sql.close()


def test_a_stop_that_fails_half_way_changes_nothing(
    run: DagRun, own_connection: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(run_id: int, reason: Reason) -> list[tuple[int, int, int, str, str]]:
        raise CeleriacError

    monkeypatch.setattr(transitions, "cancel_tasks", broken)
    with pytest.raises(CeleriacError):
        control.stop_run(run.pk, RunState.FAILED, Reason.RUN_TIMED_OUT)
    run.refresh_from_db()
    assert run.state == RunState.RUNNING
    assert not Event.objects.filter(run=run, new=RunState.FAILED).exists()


def test_a_stop_over_the_engines_own_connection(run: DagRun, own_connection: None) -> None:
    assert control.stop_run(run.pk, RunState.FAILED, Reason.RUN_TIMED_OUT)
    assert not control.stop_run(run.pk, RunState.FAILED, Reason.RUN_TIMED_OUT)
    assert set(run.tasks.values_list("state", flat=True)) == {"cancelled"}
