"""What people do in the admin: publish, run, pause, resume, cancel; through the engine, and only if they may."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from tests.integration.admin.conftest import ALL_VIEWS, DOCUMENT, Story, logged_in, person
from workflows.admin import publishing
from workflows.engine import control, publish
from workflows.models import Dag, DagRun, DagVersion

RUNS = "/admin/workflows/dagrun/"
DAGS = "/admin/workflows/dag/"


def said(answer: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))  # type: ignore[attr-defined]


def page(name: str, *args: int) -> str:
    return reverse(f"admin:workflows_{name}", args=args)


@pytest.fixture
def publisher(db: None) -> Client:
    return logged_in(person("publisher", *ALL_VIEWS, "add_dagversion", "change_dag"))


@pytest.fixture
def starter(db: None) -> Client:
    return logged_in(person("starter", *ALL_VIEWS, "add_dagrun"))


@pytest.fixture
def switcher(db: None) -> Client:
    return logged_in(person("switcher", *ALL_VIEWS, "change_dag"))


@pytest.fixture
def operator(db: None) -> Client:
    return logged_in(person("operator", *ALL_VIEWS, "change_dagrun"))


# Publishing


def test_a_first_version_is_published(publisher: Client) -> None:
    assert publisher.get(page("dag_add")).status_code == 200
    answer = publisher.post(page("dag_add"), {"source": DOCUMENT.replace("\n", "\r\n"), "note": "from the admin"})
    version = DagVersion.objects.get()
    assert answer.headers["Location"] == page("dag_change", version.dag.pk)
    assert (version.source, version.note) == (DOCUMENT, "from the admin")
    assert version.created_by is not None
    assert version.created_by.username == "publisher"
    assert LogEntry.objects.get().get_change_message() == "published version 1"


def test_every_problem_is_shown_with_its_line(publisher: Client, dag: Dag) -> None:
    bad = DOCUMENT.replace("type: shell", "type: shel", 1).replace("depends_on: [clean]", "depends_on: [claen]")
    answer = publisher.post(page("dag_new_version", dag.pk), {"source": bad, "base": "1"})
    problems = [line.problem for line in answer.context["problems"]]
    assert {problem.line for problem in problems} == {9, 11}
    text = answer.content.decode()
    for problem in problems:
        assert problem.code in text
    assert "claen" in answer.context["problems"][-1].text
    assert dag.versions.count() == 1


def test_text_that_is_no_document_is_answered_with_a_problem(publisher: Client, dag: Dag) -> None:
    for source in ("{", "- 1", "42", "a: b: c", "\x00", "id: [", "tasks: {a: {type: shell}}"):
        answer = publisher.post(page("dag_new_version", dag.pk), {"source": source, "base": "1"})
        assert answer.status_code == 200
        assert answer.context["problems"] or answer.context["form"].errors, source


def test_checking_publishes_nothing(publisher: Client, dag: Dag) -> None:
    data = {"source": DOCUMENT.replace("echo load", "echo more"), "base": "1", "_check": "1"}
    answer = publisher.post(page("dag_new_version", dag.pk), data)
    assert "No problem found." in answer.content.decode()
    assert dag.versions.count() == 1


def test_the_form_starts_from_the_current_version(publisher: Client, dag: Dag) -> None:
    form = publisher.get(page("dag_new_version", dag.pk)).context["form"]
    assert form.initial == {"source": DOCUMENT, "base": 1}


def test_a_document_of_another_dag_is_refused(publisher: Client, dag: Dag) -> None:
    answer = publisher.post(
        page("dag_new_version", dag.pk), {"source": DOCUMENT.replace("id: sales", "id: other"), "base": "1"}
    )
    assert [line.problem.code for line in answer.context["problems"]] == ["other_dag"]
    answer = publisher.post(page("dag_add"), {"source": DOCUMENT})
    assert [line.problem.code for line in answer.context["problems"]] == ["known_dag"]
    assert list(Dag.objects.values_list("dag_id", flat=True)) == ["sales"]


def test_who_is_overtaken_while_publishing_is_told(
    publisher: Client, dag: Dag, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = publishing._is_stale

    def overtaken(*args: Any) -> bool:
        told = looked(*args)
        publish.publish(DOCUMENT.replace("echo load", "echo theirs"))
        return told

    monkeypatch.setattr(publishing, "_is_stale", overtaken)
    data = {"source": DOCUMENT.replace("echo load", "echo mine"), "base": "1"}
    answer = publisher.post(page("dag_new_version", dag.pk), data)
    assert "Version 2 was published while you edited" in answer.content.decode()
    assert DagVersion.objects.filter(dag=dag).count() == 2


def test_who_edits_an_old_version_is_told_once(publisher: Client, dag: Dag) -> None:
    publish.publish(DOCUMENT.replace("echo load", "echo theirs"))
    data = {"source": DOCUMENT.replace("echo load", "echo mine"), "base": "1"}
    answer = publisher.post(page("dag_new_version", dag.pk), data)
    assert "Version 2 was published while you edited" in answer.content.decode()
    shown = re.search(r'name="base" value="(\d+)"', answer.content.decode())
    assert shown is not None
    answer = publisher.post(page("dag_new_version", dag.pk), {**data, "base": shown.group(1)})
    assert answer.status_code == 302
    dag.refresh_from_db()
    assert dag.current_version is not None
    assert dag.current_version.number == 3


def test_old_content_becomes_current_again(publisher: Client, dag: Dag) -> None:
    publish.publish(DOCUMENT.replace("echo load", "echo newer"))
    answer = publisher.post(page("dag_new_version", dag.pk), {"source": DOCUMENT, "base": "2"})
    assert "content of version 1" in said(answer)
    dag.refresh_from_db()
    assert dag.current_version is not None
    assert dag.current_version.number == 1


# Running


def start_form(client: Client, dag: Dag) -> dict[str, str]:
    form = client.get(page("dag_run", dag.pk)).context["form"]
    return {"ticket": str(form.initial["ticket"])}


def test_run_now_starts_one_run(starter: Client, dag: Dag) -> None:
    sent = start_form(starter, dag)
    form = starter.get(page("dag_run", dag.pk)).content.decode()
    assert "Left empty: 3" in form
    assert re.search(r"Left empty: &quot;20\d\d-\d\d-\d\d&quot;", form), "as a run would have it now"
    assert 'type="date"' in form
    typed = {"value_rows": "5", "value_day": "2025-01-31"}
    answer = starter.post(page("dag_run", dag.pk), {**sent, **typed, "params": '{"rows": 7}'})
    run = DagRun.objects.get()
    assert answer.headers["Location"] == page("dagrun_change", run.pk)
    assert run.params == {"day": "2025-01-31", "rows": 7}
    assert (run.state, run.trigger) == ("running", "manual")
    assert run.triggered_by is not None
    assert run.triggered_by.username == "starter"


def test_a_form_sent_twice_starts_one_run(starter: Client, dag: Dag) -> None:
    sent = {**start_form(starter, dag), "params": '{"day": "2025-01-31"}'}
    first = starter.post(page("dag_run", dag.pk), sent)
    second = starter.post(page("dag_run", dag.pk), sent)
    assert first.headers["Location"] == second.headers["Location"]
    again = starter.post(page("dag_run", dag.pk), {**sent, "params": '{"day": "2025-02-01"}'})
    assert "has started run" in again.content.decode()
    ticket = re.search(r'name="ticket" value="([^"]+)"', again.content.decode())
    assert ticket is not None
    assert ticket.group(1) != sent["ticket"]
    assert DagRun.objects.count() == 1


@pytest.mark.parametrize(
    ("params", "told"),
    [
        ("{", "This is not JSON"),
        ("[1]", "must be a JSON object"),
        ('{"rows": 0}', "rows: must be at least 1"),
        ('{"rows": "many", "nothing": 1}', "rows: must be a whole number"),
        ('{"nothing": 1}', "there is no parameter"),
    ],
)
def test_parameters_that_do_not_fit_are_told(starter: Client, dag: Dag, params: str, told: str) -> None:
    answer = starter.post(page("dag_run", dag.pk), {"params": params, "ticket": str(uuid4())})
    assert answer.status_code == 200
    assert told in answer.content.decode()
    assert not DagRun.objects.exists()


def test_a_value_that_does_not_fit_is_told_at_its_field(starter: Client, dag: Dag) -> None:
    sent = {"ticket": str(uuid4()), "value_rows": "0", "value_day": "soon"}
    answer = starter.post(page("dag_run", dag.pk), sent)
    assert dict(answer.context["values"].errors) == {
        "value_day": ['must be a date such as 2025-01-31, not "soon"'],
        "value_rows": ["must be at least 1, not 0"],
    }
    assert not DagRun.objects.exists()


def test_what_cannot_run_says_why(starter: Client, dag: Dag) -> None:
    control.pause_dag("sales")
    answer = starter.get(page("dag_run", dag.pk))
    assert answer.status_code == 302
    assert "is paused" in said(answer)
    empty = Dag.objects.create(dag_id="empty")
    assert "no version" in said(starter.get(page("dag_run", empty.pk)))


def test_the_action_opens_the_form_of_one_dag(starter: Client, dag: Dag) -> None:
    answer = starter.post(DAGS, {"action": "run_now", "_selected_action": [dag.pk]})
    assert answer.headers["Location"] == page("dag_run", dag.pk)
    other = Dag.objects.create(dag_id="other")
    answer = starter.post(DAGS, {"action": "run_now", "_selected_action": [dag.pk, other.pk]})
    assert "Choose one DAG" in said(answer)


# Pausing DAGs


def test_dags_are_paused_and_resumed(switcher: Client, dag: Dag) -> None:
    for view, paused in (("dag_pause", True), ("dag_resume", False)):
        switcher.get(page(view, dag.pk))
        dag.refresh_from_db()
        assert (dag.paused_at is None) is paused, "a GET must change nothing"
        switcher.post(page(view, dag.pk))
        dag.refresh_from_db()
        assert (dag.paused_at is not None) is paused
    assert "1 DAG paused" in said(switcher.post(DAGS, {"action": "pause", "_selected_action": [dag.pk]}))
    assert "0 DAGs paused" in said(switcher.post(DAGS, {"action": "pause", "_selected_action": [dag.pk]}))
    assert "1 DAG resumed" in said(switcher.post(DAGS, {"action": "resume", "_selected_action": [dag.pk]}))


# Cancelling, pausing and resuming runs


def test_cancelling_asks_first(operator: Client, story: Story, start: Callable[..., DagRun]) -> None:
    other = start()
    chosen = [story.run.pk, other.pk]
    asked = operator.post(RUNS, {"action": "cancel_runs", "_selected_action": chosen})
    text = asked.content.decode()
    assert "2 runs will be touched" in text
    assert "with 4 unsettled tasks" in text
    assert DagRun.objects.filter(state="running").count() == 2
    done = operator.post(RUNS, {"action": "cancel_runs", "_selected_action": chosen, "confirmed": "1"})
    assert "2 runs cancelled." in said(done)
    assert DagRun.objects.filter(state="cancelled", reason="cancelled_by_user").count() == 2
    assert other.events.filter(new="cancelled", message="by operator").exists()
    again = operator.post(RUNS, {"action": "cancel_runs", "_selected_action": chosen, "confirmed": "1"})
    assert "2 runs had nothing to do." in said(again)


def test_a_run_is_paused_and_resumed_from_its_page(operator: Client, story: Story) -> None:
    run = story.run
    text = operator.get(page("dagrun_change", run.pk)).content.decode()
    assert page("dagrun_pause", run.pk) in text
    assert page("dagrun_resume", run.pk) not in text
    asked = operator.get(page("dagrun_pause", run.pk)).content.decode()
    assert "1 run will be touched" in asked
    answer = operator.post(page("dagrun_pause", run.pk), {"confirmed": "1"})
    assert answer.headers["Location"] == page("dagrun_change", run.pk)
    run.refresh_from_db()
    assert run.paused_at is not None
    text = operator.get(page("dagrun_change", run.pk)).content.decode()
    assert page("dagrun_resume", run.pk) in text
    operator.post(page("dagrun_resume", run.pk), {"confirmed": "1"})
    run.refresh_from_db()
    assert run.paused_at is None


def test_a_post_without_confirmation_changes_nothing(operator: Client, story: Story) -> None:
    for verb in ("cancel", "pause", "resume"):
        answer = operator.post(page(f"dagrun_{verb}", story.run.pk))
        assert answer.status_code == 200
    story.run.refresh_from_db()
    assert (story.run.state, story.run.paused_at) == ("running", None)


def test_too_many_runs_are_refused(
    operator: Client, story: Story, start: Callable[..., DagRun], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.admin.run_actions.MOST", 1)
    chosen = [story.run.pk, start().pk]
    answer = operator.post(RUNS, {"action": "cancel_runs", "_selected_action": chosen, "confirmed": "1"})
    assert "at most 1" in said(answer)
    assert DagRun.objects.filter(state="running").count() == 2


def test_a_run_that_is_not_there_is_not_found(operator: Client, db: None) -> None:
    assert operator.post(page("dagrun_cancel", 987_654), {"confirmed": "1"}).status_code == 404


# Who may not


def test_the_viewer_is_offered_nothing_and_refused(viewer: Client, story: Story) -> None:
    dag, run = story.run.dag, story.run
    for shown in (DAGS, RUNS, page("dag_change", dag.pk), page("dagrun_change", run.pk)):
        text = viewer.get(shown).content.decode()
        for verb in ("/run/", "new-version", "/pause/", "/cancel/", "cancel_runs", "run_now", "dag/add"):
            assert verb not in text, (shown, verb)
    refused = [
        (page("dag_add"), {"source": DOCUMENT.replace("id: sales", "id: mine")}),
        (page("dag_new_version", dag.pk), {"source": DOCUMENT.replace("echo", "date"), "base": "1"}),
        (page("dag_run", dag.pk), {"params": "{}", "ticket": str(uuid4())}),
        (page("dag_pause", dag.pk), {}),
        (page("dag_resume", dag.pk), {}),
        *((page(f"dagrun_{verb}", run.pk), {"confirmed": "1"}) for verb in ("cancel", "pause", "resume")),
    ]
    for address, data in refused:
        assert viewer.post(address, data).status_code == 403, address
        assert viewer.get(address).status_code == 403, address
    for address, action in ((RUNS, "cancel_runs"), (RUNS, "pause_runs"), (DAGS, "pause"), (DAGS, "run_now")):
        chosen = [run.pk if address == RUNS else dag.pk]
        viewer.post(address, {"action": action, "_selected_action": chosen, "confirmed": "1"})
    run.refresh_from_db()
    dag.refresh_from_db()
    assert (run.state, run.paused_at, dag.paused_at) == ("running", None, None)
    assert (DagRun.objects.count(), DagVersion.objects.count()) == (1, 1)


def test_each_permission_opens_its_own_door(
    publisher: Client, starter: Client, switcher: Client, operator: Client, story: Story
) -> None:
    dag, run = story.run.dag, story.run
    doors = {
        page("dag_new_version", dag.pk): publisher,
        page("dag_run", dag.pk): starter,
        page("dagrun_cancel", run.pk): operator,
    }
    half = logged_in(person("half", *ALL_VIEWS, "add_dagversion"))
    assert half.get(page("dag_new_version", dag.pk)).status_code == 403
    for who, allowed in ((publisher, 302), (switcher, 302), (starter, 403), (operator, 403)):
        assert who.post(page("dag_resume", dag.pk)).status_code == allowed
    for address, who in doors.items():
        for client in (publisher, starter, switcher, operator):
            assert client.get(address).status_code == (200 if client is who else 403), address


def test_forms_need_their_token(dag: Dag) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(person("careless", *ALL_VIEWS, "add_dagrun", "change_dagrun", "add_dagversion", "change_dag"))
    for address in (page("dag_run", dag.pk), page("dag_pause", dag.pk), page("dag_new_version", dag.pk)):
        assert client.post(address, {}).status_code == 403
