"""Deleting and restoring in the admin: DAGs from their page, runs from theirs and from the list."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from tests.integration.admin.conftest import ALL_VIEWS, logged_in, person
from workflows.engine import control
from workflows.models import Dag, DagRun

Start = Callable[..., DagRun]


def page(name: str, *args: int) -> str:
    return reverse(f"admin:workflows_{name}", args=args)


@pytest.fixture
def remover(db: None) -> Client:
    return logged_in(person("remover", *ALL_VIEWS, "delete_dag", "delete_dagrun", "change_dagrun"))


def test_a_dag_is_deleted_and_restored(remover: Client, dag: Dag, start: Start) -> None:
    run = start()
    text = remover.get(page("dag_delete_softly", dag.pk)).content.decode()
    assert "1 run has not ended" in text
    assert "Yes, cancel its runs and delete" in text
    remover.post(page("dag_delete_softly", dag.pk))
    dag.refresh_from_db()
    assert dag.deleted_at is None  # refused: it was not asked to cancel
    remover.post(page("dag_delete_softly", dag.pk), {"cancel_runs": "1"})
    dag.refresh_from_db()
    run.refresh_from_db()
    assert (dag.deleted_at is not None, run.state) == (True, "cancelled")
    assert page("dag_restore", dag.pk) in remover.get(page("dag_change", dag.pk)).content.decode()
    remover.post(page("dag_restore", dag.pk))
    dag.refresh_from_db()
    assert dag.deleted_at is None
    assert [entry.get_change_message() for entry in LogEntry.objects.order_by("id")] == ["deleted", "restored"]


def test_a_run_is_deleted_and_restored(remover: Client, dag: Dag, start: Start) -> None:
    run, other = start(), start()
    control.cancel_run(run.pk)
    going = remover.get(page("dagrun_change", other.pk)).content.decode()
    assert f'href="{page("dagrun_delete_softly", other.pk)}"' not in going
    assert page("dagrun_delete_softly", other.pk) in going, "the page's own script offers it once the run is over"
    assert page("dagrun_delete_softly", run.pk) in remover.get(page("dagrun_change", run.pk)).content.decode()
    assert "Yes, delete" in remover.get(page("dagrun_delete_softly", run.pk)).content.decode()
    remover.post(page("dagrun_delete_softly", run.pk), {"confirmed": "1"})
    listed = page("dagrun_change", run.pk)
    assert listed not in remover.get(page("dagrun_changelist")).content.decode()
    assert listed in remover.get(page("dagrun_changelist") + "?deleted=yes").content.decode()
    assert listed in remover.get(page("dagrun_changelist") + "?deleted=any").content.decode()
    assert "⌫" in remover.get(listed).content.decode()
    remover.post(page("dagrun_restore", run.pk), {"confirmed": "1"})
    assert listed in remover.get(page("dagrun_changelist")).content.decode()
    chosen = {"_selected_action": [str(run.pk), str(other.pk)], "action": "delete_runs", "confirmed": "1"}
    remover.post(page("dagrun_changelist"), chosen)
    assert list(DagRun.objects.live()) == [other]


def test_without_permission_nothing_goes(viewer: Client, dag: Dag, start: Start) -> None:
    run = start()
    control.cancel_run(run.pk)
    for place in (page("dag_delete_softly", dag.pk), page("dag_restore", dag.pk), page("dagrun_delete_softly", run.pk)):
        assert viewer.post(place, {"confirmed": "1"}).status_code == 403
    text = viewer.get(page("dag_change", dag.pk)).content.decode()
    assert page("dag_delete_softly", dag.pk) not in text
    assert DagRun.objects.live().exists()
