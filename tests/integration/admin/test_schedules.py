"""Schedules and webhooks in the admin."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from tests.integration.admin.conftest import ALL_VIEWS, logged_in, person
from tests.support.hands import dag
from workflows.engine import control, hooks
from workflows.engine.publish import publish
from workflows.models import Dag, Schedule

pytestmark = pytest.mark.django_db


def scheduled() -> Schedule:
    publish(dag("sales", a={}) | {"schedule": {"cron": "0 2 * * *", "timezone": "Asia/Shanghai"}})
    return Schedule.objects.get()


def test_schedules_show_when_they_run_next(viewer: Client) -> None:
    row = scheduled()
    text = viewer.get(reverse("admin:workflows_schedule_changelist")).content.decode()
    assert "0 2 * * * Asia/Shanghai" in text
    assert "02:00:00 +0800" in text
    page = viewer.get(reverse("admin:workflows_schedule_change", args=[row.pk])).content.decode()
    assert page.count("02:00:00 +0800") == 10
    assert "django_celery_beat" in page or str(row.periodic_task_id) in page
    control.pause_dag("sales")
    assert viewer.get(reverse("admin:workflows_schedule_change", args=[row.pk])).status_code == 200


def test_the_page_of_a_dag_shows_the_next_run(viewer: Client) -> None:
    row = scheduled()
    row.message = "a note"
    row.save()
    page = viewer.get(reverse("admin:workflows_dag_change", args=[row.dag_id])).content.decode()
    assert reverse("admin:workflows_schedule_change", args=[row.pk]) in page
    assert "a note" in page
    blind = logged_in(person("blind", *(set(ALL_VIEWS) - {"view_schedule"})))
    assert "a note" not in blind.get(reverse("admin:workflows_dag_change", args=[row.dag_id])).content.decode()


def test_a_schedule_after_others_has_no_times(viewer: Client) -> None:
    scheduled()
    publish(dag("below", a={}) | {"schedule": {"after": "sales"}})
    row = Schedule.objects.get(dag__dag_id="below")
    assert "after sales" in viewer.get(reverse("admin:workflows_schedule_change", args=[row.pk])).content.decode()


def test_the_secret_is_made_shown_once_and_ended(db: None) -> None:
    publish(dag("sales", a={}))
    pk = Dag.objects.get().pk
    page = reverse("admin:workflows_dag_hook", args=[pk])
    for few in (("change_dag",), ("add_dagrun",), ALL_VIEWS):
        assert logged_in(person(f"few{User.objects.count()}", *few)).post(page).status_code == 403
    maker = logged_in(person("maker", *ALL_VIEWS, "change_dag", "add_dagrun"))
    assert "chook_" not in maker.get(page).content.decode()
    answer = maker.post(page)
    assert "no-store" in answer["Cache-Control"]
    secret = answer.context["secret"]
    assert secret in answer.content.decode()
    assert secret not in maker.get(page).content.decode()
    hooks.open_hook("sales", keep=True)
    assert maker.post(page, {"close": "1"}).status_code == 302
    assert Dag.objects.get().hook_nonce == ""
