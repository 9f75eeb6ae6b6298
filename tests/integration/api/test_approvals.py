"""Approvals by the API and by the command."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from tests.support.hands import Defer, Question, dag, do, start
from workflows.engine import control
from workflows.models import Approval, DagRun, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
LIST = "/api/v1/approvals"


def asked(*users: str, dag_id: str = "release") -> tuple[DagRun, Approval]:
    run = start(dag(dag_id, ask={"type": "approval"}))
    do(run, "ask", Defer(question=Question(prompt="Go?", users=users)))
    return run, Approval.objects.latest("id")


def client(name: str) -> APIClient:
    made = APIClient()
    made.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=User.objects.create_user(name)).key}")
    return made


def listed(who: APIClient, **query: Any) -> list[int]:
    answer = who.get(LIST, query)
    assert answer.status_code == 200, answer.json()
    return [row["id"] for row in answer.json()["results"]]


def test_the_asked_see_their_open_questions_and_answer_them() -> None:
    run, approval = asked("ada")
    ada, grace = client("ada"), client("grace")
    assert (listed(ada), listed(grace)) == ([approval.pk], [])
    shown = ada.get(f"{LIST}/{approval.pk}").json()
    assert shown["run_id"] == run.pk
    assert (shown["dag_id"], shown["task_id"], shown["open"], shown["prompt"]) == ("release", "ask", True, "Go?")
    assert grace.get(f"{LIST}/{approval.pk}").status_code == 404
    refused = grace.post(f"{LIST}/{approval.pk}/answer", {"approved": True}, format="json")
    assert (refused.status_code, refused.json()["code"]) == (403, "may_not_answer")
    answered = ada.post(f"{LIST}/{approval.pk}/answer", {"approved": True, "comment": "fine"}, format="json")
    assert answered.status_code == 200
    assert (answered.json()["answered_by"], answered.json()["open"]) == ("ada", False)
    late = ada.post(f"{LIST}/{approval.pk}/answer", {"approved": False}, format="json")
    assert (late.status_code, late.json()["code"]) == (409, "approval_closed")
    assert TaskExecution.objects.get(run=run).state == "success"
    assert listed(ada) == []


def test_filters(client_of: Callable[..., APIClient]) -> None:
    run, first = asked()
    _, second = asked("ada", dag_id="other")
    seer = client_of("view_approval")
    control.cancel_run(run.pk)
    assert listed(seer) == [second.pk, first.pk]
    assert listed(seer, open="true") == [second.pk]
    assert listed(seer, open="false") == [first.pk]
    assert listed(seer, mine="true") == []
    assert listed(seer, dag="release") == [first.pk]
    assert listed(seer, run=run.pk) == [first.pk]
    assert seer.get(LIST, {"nonsense": "1"}).status_code == 400


def test_bad_answers(client_of: Callable[..., APIClient]) -> None:
    root = client_of(superuser=True)
    assert root.post(f"{LIST}/4711/answer", {"approved": True}, format="json").json()["code"] == "unknown_approval"
    assert root.post(f"{LIST}/4711/answer", {}, format="json").status_code == 400
    assert APIClient().get(LIST).status_code == 401


def run_command(*arguments: str) -> str:
    out = StringIO()
    call_command("approve", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_lists_and_answers() -> None:
    _, approval = asked("ada")
    User.objects.create_user("ada")
    assert "Go?" in run_command()
    assert [row["id"] for row in json.loads(run_command("--json"))] == [approval.pk]
    number = str(approval.pk)
    for arguments, refusal in (
        ((number,), "Say --user"),
        ((number, "--user", "nobody"), "no user 'nobody'"),
        (("4711", "--user", "ada"), "no approval 4711"),
    ):
        with pytest.raises(CommandError, match=refusal):
            run_command(*arguments)
    said = run_command(number, "--user", "ada", "--reject", "--comment", "no")
    assert said == f"approval {number} is rejected\n"
    assert run_command() == ""
    with pytest.raises(CommandError, match="is closed"):
        run_command(number, "--user", "ada")
