"""Callbacks by the API, the commands and the admin."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from rest_framework.test import APIClient

from tests.support.hands import dag, start
from workflows.engine import callbacks, control
from workflows.models import Callback

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
LIST = "/api/v1/callbacks"


@pytest.fixture
def callback(db: None) -> Callback:
    webhook = {"url": "https://user:pw@hooks.example/x?key=secret", "headers": {"Authorization": "Bearer secret"}}
    run = start({**dag("told", a={}), "callbacks": [{"on": "run_cancelled", "webhook": webhook}]})
    control.cancel_run(run.pk)
    callbacks.collect()
    callbacks.collect()
    made = Callback.objects.get()
    Callback.objects.update(state="failed", tries=9, next_try_at=None)
    return made


def test_they_are_listed_without_their_secrets(callback: Callback, client_of: Callable[..., APIClient]) -> None:
    seer = client_of("view_callback")
    answer = seer.get(LIST, {"state": "failed", "dag": "told", "run": callback.run_id})
    (row,) = answer.json()["results"]
    assert (row["event"], row["to"], row["state"]) == ("run_cancelled", "https://hooks.example/x", "failed")
    assert "secret" not in answer.content.decode()
    assert seer.get(f"{LIST}/{callback.pk}").json()["payload"]["run"]["id"] == callback.run_id
    assert seer.get(LIST, {"state": "sent"}).json()["results"] == []
    assert seer.post(f"{LIST}/{callback.pk}/resend").status_code == 403
    assert client_of().get(LIST).status_code == 403


def test_one_is_sent_again(callback: Callback, client_of: Callable[..., APIClient]) -> None:
    answer = client_of("view_callback", "change_callback").post(f"{LIST}/{callback.pk}/resend")
    assert (answer.status_code, answer.json()["state"], answer.json()["tries"]) == (200, "pending", 0)
    assert client_of("change_callback").post(f"{LIST}/4711/resend").json()["code"] == "unknown_callback"


def run_command(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_commands(callback: Callback) -> None:
    assert "https://hooks.example/x" in run_command("callback_list", "--state", "failed")
    (row,) = json.loads(run_command("callback_list", "--run", str(callback.run_id), "--json"))
    assert (row["id"], row["event"]) == (callback.pk, "run_cancelled")
    assert run_command("callback_resend", str(callback.pk)) == "1 callback will be sent\n"
    assert run_command("callback_list", "--state", "failed") == ""
    with pytest.raises(CommandError, match="no callback 4711"):
        run_command("callback_resend", "4711")
    assert len(run_command("callback_secret").strip()) == 64


def test_the_admin(callback: Callback) -> None:
    root = Client()
    root.force_login(User.objects.create_superuser("root"))
    listed = reverse("admin:workflows_callback_changelist")
    page = reverse("admin:workflows_callback_change", args=[callback.pk])
    for address in (listed, page):
        shown = root.get(address).content.decode()
        assert "https://hooks.example/x" in shown
        assert "secret" not in shown
    answer = root.post(listed, {"action": "send_again", "_selected_action": [callback.pk]}, follow=True)
    assert "1 callback will be sent" in answer.content.decode()
    callback.refresh_from_db()
    assert callback.state == "pending"
