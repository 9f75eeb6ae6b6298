"""Templates in the admin: written, generated from, regenerated, deleted; only by those who may."""

from __future__ import annotations

import pytest
from django.contrib.messages import get_messages
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from tests.integration.admin.conftest import ALL_VIEWS, logged_in, person
from workflows.engine import publish, templates
from workflows.models import Dag, DagTemplate, DagVersion

TEXT = """\
template: greet
title: Greetings
description: For people who like to be greeted.
params:
  who: {type: string, description: Whom to greet}
  times: {type: integer, default: 1, minimum: 1}
  loud: {type: boolean, default: false}
  tone: {type: string, enum: [warm, cold], default: warm}
  level: {type: integer, enum: [1, 2], default: 1}
  words: {type: array, default: []}
dag:
  id: greet_<% template.who | lower %>
  tasks:
    say:
      type: shell
      command: echo hello <% template.who %>
      retry: {max_attempts: <% template.times %>}
      parameters: {env: {TONE: <% template.tone %>, LOUD: <% template.loud %>, WORDS: <% template.words %>}}
"""


def page(verb: str, row: DagTemplate) -> str:
    return reverse(f"admin:workflows_dagtemplate_{verb}", args=[row.pk])


def said(answer: HttpResponse) -> str:
    return " ".join(str(message) for message in get_messages(answer.wsgi_request))  # type: ignore[attr-defined]


@pytest.fixture
def greet(db: None) -> DagTemplate:
    return templates.save(TEXT).row


@pytest.fixture
def writer(db: None) -> Client:
    return logged_in(person("writer", *ALL_VIEWS, "add_dagtemplate", "change_dagtemplate"))


@pytest.fixture
def maker(db: None) -> Client:
    return logged_in(person("maker", *ALL_VIEWS, "add_dagversion", "change_dag"))


def test_a_template_is_written_and_changed(writer: Client) -> None:
    add = reverse("admin:workflows_dagtemplate_add")
    assert "template: my_template" in writer.get(add).content.decode()
    answer = writer.post(add, {"source": TEXT.replace("\n", "\r\n"), "_check": "1"})
    assert "No problem found." in answer.content.decode()
    assert not DagTemplate.objects.exists()
    answer = writer.post(add, {"source": TEXT.replace("\n", "\r\n")})
    row = DagTemplate.objects.get()
    assert (answer.status_code, row.source) == (302, TEXT)
    assert "there is a template greet already" in writer.post(add, {"source": TEXT}).content.decode()
    bad = TEXT.replace("template.times", "template.tmies")
    answer = writer.post(page("edit", row), {"source": bad, "base": row.content_hash})
    assert [line.problem.code for line in answer.context["problems"]] == ["unknown_param"]
    assert "max_attempts" in answer.context["problems"][0].text
    other = TEXT.replace("template: greet", "template: other")
    answer = writer.post(page("edit", row), {"source": other, "base": row.content_hash})
    assert [line.problem.code for line in answer.context["problems"]] == ["other_template"]
    changed = {"source": TEXT.replace("hello", "bye"), "base": "sha256:another"}
    assert "while you edited" in writer.post(page("edit", row), changed).content.decode()
    templates.generate("greet", {"who": "Ann"})
    answer = writer.post(page("edit", row), changed | {"base": row.content_hash})
    assert "1 DAG was made from it" in said(answer)


def test_a_dag_is_previewed_and_generated(maker: Client, greet: DagTemplate) -> None:
    form = maker.get(page("generate", greet)).content.decode()
    assert "Whom to greet" in form
    assert "Left empty: 1" in form
    filled = {
        "value_who": "Ann",
        "value_times": "2",
        "value_loud": "true",
        "value_tone": "cold",
        "value_words": '["a b"]',
    }
    answer = maker.post(page("generate", greet), filled | {"_preview": "1"})
    text = answer.content.decode()
    assert "greet_ann" in text
    assert "a new DAG" in text
    assert not Dag.objects.exists()
    answer = maker.post(page("generate", greet), filled | {"_publish": "1"})
    dag = Dag.objects.get()
    assert answer.headers["Location"] == reverse("admin:workflows_dag_change", args=[dag.pk])
    assert dag.template_values == {"who": "Ann", "times": 2, "loud": True, "tone": "cold", "words": ["a b"]}
    again = maker.get(page("generate", greet) + "?dag=greet_ann")
    assert again.context["values"]["value_words"].value() == '["a b"]'
    assert again.context["target"]["dag_id"].value() == "greet_ann"
    answer = maker.post(page("generate", greet), filled | {"value_times": "3", "_preview": "1"})
    assert [change.path for change in answer.context["draft"].difference.changed[0].changes] == ["retry.max_attempts"]
    assert "Made from" in maker.get(reverse("admin:workflows_dag_change", args=[dag.pk])).content.decode()


def test_problems_stand_at_their_fields(maker: Client, greet: DagTemplate) -> None:
    answer = maker.post(page("generate", greet), {"value_times": "0", "value_words": "x", "_publish": "1"})
    errors = answer.context["values"].errors
    assert {name: errors[name][0] for name in errors} == {
        "value_who": "must be given",
        "value_times": "must be at least 1, not 0",
        "value_words": 'must be a list, not text ("x")',
    }
    answer = maker.post(page("generate", greet), {"value_who": "a b", "_publish": "1"})
    assert [line.problem.path for line in answer.context["problems"]] == ["dag.id"]
    assert not Dag.objects.exists()


def test_a_dag_of_another_origin_is_replaced_only_when_that_is_said(maker: Client, greet: DagTemplate) -> None:
    publish.publish("id: greet_ann\ntasks: {a: {type: shell, command: 'true'}}")
    answer = maker.post(page("generate", greet), {"value_who": "Ann", "_publish": "1"})
    assert "was not made from this template" in answer.content.decode()
    assert DagVersion.objects.count() == 1
    answer = maker.post(page("generate", greet), {"value_who": "Ann", "_publish": "1", "adopt": "on"})
    assert answer.status_code == 302
    assert Dag.objects.get().template == greet


def test_dags_are_regenerated_after_a_preview(maker: Client, greet: DagTemplate) -> None:
    for who in ("Ann", "Bob"):
        templates.generate("greet", {"who": who})
    templates.save(TEXT.replace("hello", "HELLO").replace("{type: string, desc", '{type: string, pattern: "^A", desc'))
    text = maker.get(page("regenerate", greet)).content.decode()
    assert "1 DAG will get a new version." in text
    assert "must match the pattern" in text
    assert "+    command: echo HELLO Ann" in text
    assert DagVersion.objects.count() == 2
    answer = maker.post(page("regenerate", greet), {"confirmed": "1"})
    assert "1 DAG changed." in said(answer)
    assert "greet_bob" in said(answer)
    assert DagVersion.objects.count() == 3


def test_a_template_is_deleted_and_its_dags_stay(root: Client, greet: DagTemplate) -> None:
    templates.generate("greet", {"who": "Ann"})
    assert "greet_ann" in root.get(page("remove", greet)).content.decode()
    assert root.post(page("remove", greet)).status_code == 302
    assert (DagTemplate.objects.count(), Dag.objects.get().template) == (0, None)


def test_a_template_that_is_not_valid_any_more_is_shown(maker: Client, greet: DagTemplate) -> None:
    DagTemplate.objects.update(source=TEXT.replace("type: shell", "type: gone"))
    for verb in ("change", "generate"):
        assert "unknown_type" in maker.get(page(verb, greet)).content.decode()
    assert maker.get(page("regenerate", greet)).status_code == 302


def test_what_one_may_not_do_is_refused(viewer: Client, stranger: Client, writer: Client, greet: DagTemplate) -> None:
    assert viewer.get(page("change", greet)).status_code == 200
    listed = reverse("admin:workflows_dagtemplate_changelist")
    assert "Greetings" in viewer.get(f"{listed}?q=greet").content.decode()
    assert stranger.get(listed).status_code == stranger.get(page("change", greet)).status_code == 403
    for verb in ("edit", "generate", "regenerate", "remove"):
        assert viewer.get(page(verb, greet)).status_code == 403, verb
        assert viewer.post(page(verb, greet), {"confirmed": "1"}).status_code == 403, verb
        assert stranger.get(page(verb, greet)).status_code == 403, verb
    assert writer.get(page("generate", greet)).status_code == 403
    assert viewer.get(reverse("admin:workflows_dagtemplate_add")).status_code == 403
    shown = viewer.get(page("change", greet)).content.decode()
    assert "/generate/" not in shown
    assert "/remove/" not in shown


def test_what_changed_between_versions(viewer: Client, greet: DagTemplate) -> None:
    templates.generate("greet", {"who": "Ann"})
    version = templates.generate("greet", {"who": "Ann", "times": 4})
    shown = viewer.get(reverse("admin:workflows_dagversion_changes", args=[version.pk])).content.decode()
    assert "from version 1 to 2" in shown
    assert "retry.max_attempts" in shown
