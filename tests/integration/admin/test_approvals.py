"""The question's page, and the badge on the first page."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from tests.integration.admin.conftest import claim, logged_in, person
from workflows.core.outcome import Defer, Question
from workflows.engine import control, launch, plans
from workflows.engine.finish import finish
from workflows.engine.publish import publish
from workflows.models import Approval, TaskExecution

DOCUMENT = {
    "id": "release",
    "params": {"tag": {"default": "v1<b>"}},
    "tasks": {"ask": {"type": "approval"}, "go": {"type": "shell", "command": "true", "depends_on": ["ask"]}},
}


@pytest.fixture
def approval(db: None) -> Approval:
    run = launch.launch(publish(DOCUMENT), on_commit=True)
    question = Question(prompt="Publish <i>it</i>?", users=("ada",))
    finish(claim(run, 0), plans.plan_of(run.version_id), Defer(question=question), chance=0.5)
    return Approval.objects.get()


def page(approval: Approval) -> str:
    return reverse("admin:workflows_approval_change", args=[approval.pk])


INDEX = "admin:index"


def test_whoever_is_asked_finds_the_question_from_the_first_page(approval: Approval) -> None:
    ada, grace = logged_in(person("ada")), logged_in(person("grace", "change_dagrun"))
    assert "1 approval waits for you" in ada.get(reverse(INDEX)).content.decode()
    assert "waits for you" not in grace.get(reverse(INDEX)).content.decode()
    assert "Publish" not in grace.get(reverse("admin:workflows_approval_changelist")).content.decode()
    assert grace.get(page(approval)).status_code in (302, 403)
    shown = ada.get(page(approval)).content.decode()
    assert "Publish &lt;i&gt;it&lt;/i&gt;?" in shown
    assert "Approve" in shown
    assert "v1" not in shown  # the parameters are for those who may see runs


def test_the_run_is_shown_to_those_who_may_see_it(approval: Approval) -> None:
    ada = logged_in(person("ada", "view_dagrun", "view_taskexecution"))
    shown = ada.get(page(approval)).content.decode()
    assert "v1&lt;b&gt;" in shown
    assert reverse("admin:workflows_dagrun_change", args=[approval.task_execution.run_id]) in shown


@pytest.mark.parametrize(("button", "state"), [("approve", "success"), ("reject", "failed")])
def test_an_answer(approval: Approval, button: str, state: str) -> None:
    ada = logged_in(person("ada"))
    answer = ada.post(page(approval), {"comment": "because", button: "1"})
    assert answer.status_code == 302
    approval.refresh_from_db()
    assert (approval.approved, approval.comment) == (button == "approve", "because")
    assert TaskExecution.objects.get(task_id="ask").state == state


def test_a_form_without_a_button_answers_nothing(approval: Approval) -> None:
    assert logged_in(person("ada")).post(page(approval), {"comment": "x"}).status_code == 200
    approval.refresh_from_db()
    assert approval.approved is None


def test_who_may_see_may_not_answer_for_that(approval: Approval, viewer: Client) -> None:
    assert "Reject" not in viewer.get(page(approval)).content.decode()
    viewer.post(page(approval), {"approve": "1"})
    approval.refresh_from_db()
    assert approval.approved is None


def test_a_question_that_was_closed_says_so(approval: Approval, root: Client) -> None:
    control.cancel_run(approval.task_execution.run_id)
    shown = root.get(page(approval)).content.decode()
    assert "closed without an answer" in shown
    assert "Reject" not in shown
    told = root.post(page(approval), {"approve": "1"}, follow=True).content.decode()
    assert "is closed" in told


def test_lists_by_progress(approval: Approval, root: Client) -> None:
    listed = reverse("admin:workflows_approval_changelist")
    assert "1 approval" in root.get(listed, {"progress": "open"}).content.decode()
    assert "Nothing fits what you look for." in root.get(listed, {"progress": "closed"}).content.decode()
