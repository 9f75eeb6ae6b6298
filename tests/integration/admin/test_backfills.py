"""Backfills in the admin: started from the page of a DAG after a preview, followed, paused, cancelled, retried."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import DjangoAssertNumQueries

from tests.integration.admin.conftest import ALL_VIEWS, logged_in, person
from workflows.engine import backfill
from workflows.engine.backfill import Wanted
from workflows.models import Backfill, BackfillDate, Dag, DagRun

FORM = {
    "start": "2025-01-01",
    "end": "2025-01-05",
    "every": "1d",
    "which": "missing",
    "concurrency": "2",
    "params": "{}",
}
FIRST = datetime(2025, 1, 1, tzinfo=UTC)


def page(name: str, *args: int) -> str:
    return reverse(f"admin:workflows_{name}", args=args)


def said(answer: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))  # type: ignore[attr-defined]


@pytest.fixture
def operator(db: None) -> Client:
    may = ("add_backfill", "change_backfill", "add_dagrun", "change_dagrun")
    return logged_in(person("operator", *ALL_VIEWS, *may))


@pytest.fixture
def row(dag: Dag) -> Backfill:
    """A backfill of three dates, one of which runs."""
    made = backfill.start(Wanted(dag_id="sales", start=FIRST, end=FIRST + timedelta(days=2), every=86_400.0))
    backfill.advance()
    return made


def test_a_preview_and_then_the_start(operator: Client, dag: Dag) -> None:
    assert page("dag_backfill", dag.pk) in operator.get(page("dag_change", dag.pk)).content.decode()
    assert operator.get(page("dag_backfill", dag.pk)).status_code == 200
    shown = operator.post(page("dag_backfill", dag.pk), {**FORM, "_preview": "1"})
    assert "5 dates would be run" in shown.content.decode()
    assert not Backfill.objects.exists()
    answer = operator.post(page("dag_backfill", dag.pk), {**FORM, "_start": "1", "newest_first": "on"})
    made = Backfill.objects.get()
    assert answer.headers["Location"] == page("backfill_change", made.pk)
    assert (made.newest_first, made.concurrency, made.created_by and made.created_by.username) == (True, 2, "operator")


def test_what_is_wrong_is_said_in_the_form(operator: Client, dag: Dag) -> None:
    for wrong, text in (
        ({"start": "soon"}, "is no moment"),
        ({"every": ""}, "has no schedule"),
        ({"every": "often"}, "is not a duration"),
        ({"params": '{"rows": 0}'}, "rows"),
        ({"params": "["}, "not JSON"),
        ({"end": "2024-01-01"}, "end is before"),
    ):
        answer = operator.post(page("dag_backfill", dag.pk), {**FORM, **wrong})
        assert text in answer.content.decode(), wrong
    assert not Backfill.objects.exists()


def test_the_page_and_the_list_show_its_progress(viewer: Client, row: Backfill) -> None:
    text = viewer.get(page("backfill_change", row.pk)).content.decode()
    run = DagRun.objects.get()
    assert page("dagrun_change", run.pk) in text
    assert 'waiting <span class="n">2</span>' in text
    assert page("backfill_cancel", row.pk) not in text
    assert 'waiting <span class="n">2</span>' in viewer.get(page("backfill_changelist")).content.decode()
    date = BackfillDate.objects.filter(run=run).get()
    assert viewer.get(page("backfilldate_change", date.pk)).status_code == 200


def test_the_list_asks_no_more_for_more_rows(
    root: Client, dag: Dag, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for _ in range(12):
        backfill.start(Wanted(dag_id="sales", start=FIRST, end=FIRST, every=86_400.0))
    with django_assert_max_num_queries(10):
        assert root.get(page("backfill_changelist")).status_code == 200


def test_each_deed_asks_first(operator: Client, row: Backfill) -> None:
    def state() -> str:
        row.refresh_from_db()
        return str(row.state)

    for verb, after in (("pause", "paused"), ("resume", "running")):
        before = state()
        assert page(f"backfill_{verb}", row.pk) in operator.get(page("backfill_change", row.pk)).content.decode()
        assert operator.get(page(f"backfill_{verb}", row.pk)).status_code == 200
        assert state() == before
        operator.post(page(f"backfill_{verb}", row.pk))
        assert state() == after
    assert "Yes, and cancel its run" in operator.get(page("backfill_cancel", row.pk)).content.decode()
    operator.post(page("backfill_cancel", row.pk), {"runs": "1"})
    assert (state(), DagRun.objects.get().state) == ("cancelled", "cancelled")
    assert "nothing to do" in said(operator.post(page("backfill_cancel", row.pk)))
    assert "3 dates will be run again" in operator.get(page("backfill_retry", row.pk)).content.decode()
    operator.post(page("backfill_retry", row.pk))
    assert state() == "running"
    chosen = {"_selected_action": [str(row.pk)]}
    operator.post(page("backfill_changelist"), {**chosen, "action": "pause_chosen"})
    assert state() == "paused"
    operator.post(page("backfill_changelist"), {**chosen, "action": "resume_chosen"})
    assert state() == "running"


def test_without_permission_nothing_happens(viewer: Client, stranger: Client, dag: Dag, row: Backfill) -> None:
    assert viewer.get(page("dag_backfill", dag.pk)).status_code == 403
    for verb in ("pause", "resume", "cancel", "retry"):
        assert viewer.post(page(f"backfill_{verb}", row.pk)).status_code == 403
    assert stranger.get(page("backfill_change", row.pk)).status_code == 403
    row.refresh_from_db()
    assert row.state == "running"
