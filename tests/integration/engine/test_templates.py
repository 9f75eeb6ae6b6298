"""Templates stored, generated from and changed; the DAGs that were made from them follow when they are told to."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from workflows.core.errors import InvalidDocument, NotFromTemplate, TemplateInUse, UnknownTemplate
from workflows.engine import compare, publish, templates
from workflows.models import Dag, DagTemplate, DagVersion

pytestmark = pytest.mark.django_db

TEXT = """\
# kept to the byte
template: greet
title: Greetings
params:
  who: {type: string, description: Whom to greet}
  times: {type: integer, default: 1, minimum: 1}
dag:
  id: greet_<% template.who | lower %>
  tasks:
    say:
      type: shell
      command: echo hello <% template.who %> {{ run.id }}
      retry: {max_attempts: <% template.times %>}
"""
LOUDER = TEXT.replace("echo hello", "echo HELLO").replace("tasks:", "tasks:\n    wait: {type: shell, command: sleep 0}")
PICKY = LOUDER.replace("{type: string, desc", '{type: string, pattern: "^A", desc')


@pytest.fixture
def greet() -> DagTemplate:
    return templates.save(TEXT).row


def command_of(dag_id: str) -> str:
    version = Dag.objects.select_related("current_version").get(dag_id=dag_id).current_version
    assert version is not None
    return str(version.document["tasks"]["say"]["command"])


def out(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command(*arguments)
    return capsys.readouterr().out


def test_saving_again_replaces_and_says_what_changed(greet: DagTemplate) -> None:
    assert (greet.name, greet.title, greet.source) == ("greet", "Greetings", TEXT)
    again = templates.save(TEXT)
    assert (again.created, again.changed) == (False, False)
    comment = templates.save(TEXT.replace("kept", "still kept"))
    assert (comment.created, comment.changed, comment.row.source[:8]) == (False, False, "# still ")
    changed = templates.save(LOUDER.encode())
    assert (changed.created, changed.changed) == (False, True)
    assert DagTemplate.objects.count() == 1


def test_a_template_with_problems_is_not_saved(greet: DagTemplate) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        templates.save(TEXT.replace("template.times", "template.tmies"))
    assert [(p.code, p.line) for p in refusal.value.problems] == [("unknown_param", 13)]
    assert DagTemplate.objects.get().content_hash == greet.content_hash


def test_a_dag_is_generated_and_knows_where_it_comes_from(greet: DagTemplate) -> None:
    version = templates.generate("greet", {"who": "Ann"})
    assert (version.dag.dag_id, version.number, version.note) == ("greet_ann", 1, "from template greet")
    assert command_of("greet_ann") == "echo hello Ann {{ run.id }}"
    dag = Dag.objects.get()
    assert (dag.template, dag.template_values) == (greet, {"who": "Ann"})
    assert templates.generate("greet", {"who": "Ann"}) == version
    assert templates.generate("greet", {"who": "Ann", "times": 2}).number == 2


def test_a_draft_shows_what_would_change_and_publishes_nothing(greet: DagTemplate) -> None:
    templates.generate("greet", {"who": "Ann"})
    made = templates.draft("greet", {"who": "Ann", "times": 3})
    assert (made.version, made.unchanged, made.adopts) == (1, False, False)
    assert [change.path for change in made.difference.changed[0].changes] == ["retry.max_attempts"]
    assert "+      max_attempts: 3\n" in made.difference.text
    assert templates.draft("greet", {"who": "Ann"}).unchanged
    assert templates.draft("greet", {"who": "Bob"}).dag is None
    assert DagVersion.objects.count() == 1


def test_values_are_checked(greet: DagTemplate) -> None:
    with pytest.raises(InvalidDocument) as refusal:
        templates.generate("greet", {"times": 0})
    assert [(p.path, p.code) for p in refusal.value.problems] == [
        ("values.who", "missing_param"),
        ("values.times", "out_of_range"),
    ]
    assert not Dag.objects.exists()
    with pytest.raises(UnknownTemplate):
        templates.generate("great", {})


def test_the_dag_of_another_origin_is_taken_over_only_when_that_is_meant(greet: DagTemplate) -> None:
    publish.publish("id: greet_ann\ntasks: {a: {type: shell, command: 'true'}}")
    assert templates.draft("greet", {"who": "Ann"}).adopts
    with pytest.raises(NotFromTemplate):
        templates.generate("greet", {"who": "Ann"})
    assert templates.generate("greet", {"who": "Ann"}, adopt=True).number == 2
    assert Dag.objects.get().template == greet


def test_a_dag_that_is_published_by_hand_leaves_its_template(greet: DagTemplate) -> None:
    version = templates.generate("greet", {"who": "Ann"})
    publish.publish(version.source, format="yaml")
    assert Dag.objects.get().template == greet, "the same content changes nothing"
    publish.publish(version.source.replace("hello", "bye"), format="yaml")
    dag = Dag.objects.get()
    assert (dag.template, dag.template_values) == (None, None)
    templates.save(LOUDER)
    assert templates.regenerate("greet") == ()
    assert "bye" in command_of("greet_ann")


def test_regenerating_follows_the_template(greet: DagTemplate) -> None:
    templates.generate("greet", {"who": "Ann"})
    templates.generate("greet", {"who": "Bob"}, dag_id="bob")
    assert [(each.dag_id, each.state) for each in templates.regenerate("greet")] == [
        ("bob", "unchanged"),
        ("greet_ann", "unchanged"),
    ]
    templates.save(LOUDER)
    seen = templates.regenerate("greet", preview=True)
    assert [(each.state, each.version, each.difference.added) for each in seen] == [("changed", 1, ("wait",))] * 2
    assert DagVersion.objects.count() == 2
    assert [(each.state, each.version) for each in templates.regenerate("greet")] == [("changed", 2)] * 2
    assert command_of("bob") == "echo HELLO Bob {{ run.id }}"
    assert [each.state for each in templates.regenerate("greet")] == ["unchanged"] * 2


def test_one_dag_that_fails_stops_no_other(greet: DagTemplate) -> None:
    for who in ("Ann", "Bob", "Ada"):
        templates.generate("greet", {"who": who})
    templates.save(PICKY)
    done = {each.dag_id: each for each in templates.regenerate("greet")}
    assert {name: each.state for name, each in done.items()} == {
        "greet_ada": "changed",
        "greet_ann": "changed",
        "greet_bob": "failed",
    }
    assert "values.who: must match the pattern" in done["greet_bob"].message
    assert command_of("greet_bob") == "echo hello Bob {{ run.id }}"


def test_a_new_default_reaches_the_dags_that_gave_no_value(greet: DagTemplate) -> None:
    templates.generate("greet", {"who": "Ann"})
    templates.generate("greet", {"who": "Bob", "times": 4})
    templates.save(TEXT.replace("default: 1", "default: 9"))
    assert [(each.dag_id, each.state) for each in templates.regenerate("greet")] == [
        ("greet_ann", "changed"),
        ("greet_bob", "unchanged"),
    ]


def test_deleted_dags_are_not_regenerated(greet: DagTemplate, django_user_model: Any) -> None:
    templates.generate("greet", {"who": "Ann"})
    Dag.objects.update(deleted_at="2025-01-31T00:00:00Z")
    assert templates.regenerate("greet") == ()


def test_a_template_that_has_made_dags_is_deleted_only_when_that_is_meant(greet: DagTemplate) -> None:
    templates.generate("greet", {"who": "Ann"})
    with pytest.raises(TemplateInUse, match="greet_ann"):
        templates.delete("greet")
    assert templates.delete("greet", leave_dags=True) == 1
    dag = Dag.objects.get()
    assert (dag.template, command_of("greet_ann")) == (None, "echo hello Ann {{ run.id }}")


def test_versions_are_compared(greet: DagTemplate) -> None:
    templates.generate("greet", {"who": "Ann"})
    first = compare.versions("greet_ann")
    assert (first.old, first.new, first.difference.added) == (0, 1, ("say",))
    templates.generate("greet", {"who": "Ann", "times": 2})
    found = compare.versions("greet_ann")
    assert (found.old, found.new, found.difference.summary) == (1, 2, "1 task changed")
    assert compare.versions("greet_ann", 2, 1).difference.text.startswith("--- greet_ann v2\n+++ greet_ann v1\n")


def test_the_commands(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "greet.yaml"
    path.write_text(TEXT)
    assert out(capsys, "template_import", "--check", str(path)) == "greet can be imported\n"
    assert out(capsys, "template_import", str(path)) == "greet (new) 2 parameters\n"
    assert "echo hello Ann" in out(capsys, "template_generate", "greet", "--value", "who=Ann", "--dry-run")
    told = out(capsys, "template_generate", "greet", "--value", "who=Ann", "--value", "times=2")
    assert told == "greet_ann v1 (new) 1 task\n"
    shown = out(capsys, "template_show", "greet")
    assert "Whom to greet" in shown
    assert 'who="Ann", times=2' in shown
    assert out(capsys, "template_show", "greet", "--source") == TEXT
    path.write_text(LOUDER)
    assert "template_regenerate greet --dry-run" in out(capsys, "template_import", str(tmp_path))
    told = out(capsys, "template_regenerate", "greet", "--dry-run")
    assert (
        told == "greet_ann would change from v1: 1 task added, 1 changed\n    + wait\n    ~ say: parameters.command\n"
    )
    assert out(capsys, "template_regenerate", "greet").startswith("greet_ann is now v2")
    assert "--- greet_ann v1" in out(capsys, "dag_diff", "greet_ann")
    told = out(capsys, "template_generate", "greet", "--value", "who=Ann", "--diff")
    assert told.startswith("greet_ann: 1 task changed\n  ~ say: retry.max_attempts\n\n--- version 2\n")
    assert "greet     1" in out(capsys, "template_list")
    with pytest.raises(CommandError, match="--leave-dags"):
        call_command("template_delete", "greet")
    assert out(capsys, "template_delete", "greet", "--leave-dags") == "greet is deleted; 1 DAG made from it stay\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("template_show", "nothing"), "There is no template 'nothing'."),
        (("template_generate", "greet", "--value", "who"), "--value who: write it as NAME=VALUE."),
        (("template_generate", "greet"), "greet: values.who: must be given [missing_param]"),
        (
            ("template_generate", "greet", "--value", "who=Ann", "--value", "times=x"),
            'greet: values.times: must be a whole number, not text ("x") [wrong_type]',
        ),
        (
            ("template_generate", "greet", "--value", "who=Ann", "--id", "a b", "--dry-run"),
            'greet: id: the id of the DAG would be "a b": it must be made of letters, digits, _ - . (at most 200) '
            "[bad_id]",
        ),
        (("dag_diff", "nothing"), "There is no DAG 'nothing'."),
        (("dag_diff", "plain", "--from", "7"), "DAG 'plain' has no version 7."),
        (
            ("template_generate", "greet", "--value", "who=Ann", "--id", "plain"),
            "DAG 'plain' was not made from template 'greet', which would replace its document: "
            "adopt it if you mean to.",
        ),
    ],
)
def test_a_refusal_is_one_sentence(greet: DagTemplate, arguments: tuple[str, ...], sentence: str) -> None:
    publish.publish("id: plain\ntasks: {a: {type: shell, command: 'true'}}")
    with pytest.raises(CommandError) as refusal:
        call_command(*arguments)
    assert str(refusal.value) == sentence
