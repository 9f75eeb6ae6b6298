"""Templates by the API: stored, looked at, generated from, regenerated, deleted; and what changed between versions."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from rest_framework.test import APIClient

from tests.integration.api.conftest import ClientOf
from workflows.models import Dag, DagTemplate, DagVersion

TEMPLATES = "/api/v1/templates"
TEXT = """\
template: greet
title: Greetings
params:
  who: {type: string}
  times: {type: integer, default: 1, minimum: 1}
dag:
  id: greet_<% template.who | lower %>
  tasks:
    say:
      type: shell
      command: echo hello <% template.who %> {{ run.id }}
      retry: {max_attempts: <% template.times %>}
"""


@pytest.fixture
def greet(author: APIClient) -> APIClient:
    answer = author.post(TEMPLATES, {"source": TEXT, "format": "yaml"})
    assert answer.status_code == 201, answer.json()
    return author


def act(client: APIClient, verb: str, body: dict[str, Any] | None = None, name: str = "greet") -> Any:
    return client.post(f"{TEMPLATES}/{name}/{verb}", body or {})


def test_a_template_is_stored_and_shown(greet: APIClient) -> None:
    shown = greet.get(f"{TEMPLATES}/greet").json()
    assert (shown["title"], shown["source"], shown["dags"], shown["dag_count"]) == ("Greetings", TEXT, [], 0)
    schema = shown["values_schema"]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert (schema["required"], schema["properties"]["times"]["default"]) == (["who"], 1)
    assert greet.post(TEMPLATES, {"source": TEXT}).status_code == 200
    assert [row["name"] for row in greet.get(TEMPLATES).json()["results"]] == ["greet"]


def test_a_template_with_problems_is_refused_with_every_one(author: APIClient) -> None:
    bad = TEXT.replace("template.times", "template.tmies").replace("type: shell", "type: shel")
    answer = author.post(TEMPLATES, {"source": bad})
    assert answer.status_code == 422
    assert [(p["code"], p["line"]) for p in answer.json()["problems"]] == [("unknown_type", 10), ("unknown_param", 12)]
    checked = author.post("/api/v1/documents/validate-template", {"source": bad}).json()
    assert (checked["valid"], len(checked["problems"])) == (False, 2)
    assert not DagTemplate.objects.exists()


def test_preview_and_diff_publish_nothing(greet: APIClient) -> None:
    made = act(greet, "preview", {"values": {"who": "Ann"}}).json()
    assert (made["valid"], made["dag_id"], made["version"], made["unchanged"], made["adopts"]) == (
        *(True, "greet_ann", None),
        *(False, False),
    )
    assert made["document"]["tasks"]["say"]["command"] == "echo hello Ann {{ run.id }}"
    assert made["source"].startswith("id: greet_ann\n")
    wrong = act(greet, "preview", {"values": {"times": 0}}).json()
    assert (wrong["valid"], wrong["document"]) == (False, None)
    assert [p["path"] for p in wrong["problems"]] == ["values.who", "values.times"]
    assert act(greet, "diff", {"values": {"times": 0}}).status_code == 422
    diff = act(greet, "diff", {"values": {"who": "Ann"}}).json()["difference"]
    assert (diff["added"], diff["summary"]) == (["say"], "1 task added")
    assert not Dag.objects.exists()


def test_a_dag_is_generated_compared_and_regenerated(greet: APIClient) -> None:
    answer = act(greet, "generate", {"values": {"who": "Ann"}, "note": "first"})
    body = answer.json()
    assert (answer.status_code, answer["Location"]) == (201, "http://testserver/api/v1/dags/greet_ann")
    assert (body["template"], body["template_values"]) == ("greet", {"who": "Ann"})
    assert act(greet, "generate", {"values": {"who": "Ann"}}).status_code == 200
    assert greet.get(f"{TEMPLATES}/greet").json()["dags"] == [
        {"dag_id": "greet_ann", "version": 1, "values": {"who": "Ann"}}
    ]
    greet.post(TEMPLATES, {"source": TEXT.replace("default: 1", "default: 5")})
    (seen,) = act(greet, "regenerate", {"preview": True}).json()["results"]
    assert (seen["state"], seen["version"]) == ("changed", 1)
    (done,) = act(greet, "regenerate").json()["results"]
    assert (done["state"], done["version"], done["difference"]["summary"]) == ("changed", 2, "1 task changed")
    compared = greet.get("/api/v1/dags/greet_ann/diff").json()
    assert (compared["old"], compared["new"]) == (1, 2)
    assert compared["difference"]["changed"] == [
        {"id": "say", "changes": [{"path": "retry.max_attempts", "old": 1, "new": 5}]}
    ]
    assert (
        greet.get("/api/v1/dags/greet_ann/diff?old=2&new=1").json()["difference"]["text"].startswith("--- greet_ann v2")
    )
    assert greet.get("/api/v1/dags/greet_ann/diff?old=9").json()["code"] == "unknown_version"
    assert greet.get("/api/v1/dags/greet_ann/diff?from=1").status_code == 400


def test_a_dag_of_another_origin_is_a_conflict(greet: APIClient, version: DagVersion) -> None:
    body = {"values": {"who": "Ann"}, "dag_id": "sales"}
    assert act(greet, "preview", body).json()["adopts"] is True
    answer = act(greet, "generate", body)
    assert (answer.status_code, answer.json()["code"]) == (409, "not_from_template")
    assert act(greet, "generate", {**body, "adopt": True}).json()["current_version"] == 2


def test_a_template_is_deleted(greet: APIClient) -> None:
    act(greet, "generate", {"values": {"who": "Ann"}})
    answer = greet.delete(f"{TEMPLATES}/greet")
    assert (answer.status_code, answer.json()["code"]) == (409, "template_in_use")
    assert greet.delete(f"{TEMPLATES}/greet?leave_dags=true").status_code == 204
    assert greet.get(f"{TEMPLATES}/greet").json()["code"] == "unknown_template"
    assert greet.get("/api/v1/dags/greet_ann").json()["template"] is None


@pytest.mark.parametrize(
    ("verb", "needed"),
    [
        ("preview", ["view_dagtemplate", "view_dag"]),
        ("diff", ["view_dagtemplate", "view_dagversion"]),
        ("generate", ["view_dagtemplate", "add_dagversion", "change_dag"]),
        ("regenerate", ["view_dagtemplate", "view_dagversion", "add_dagversion", "change_dag"]),
    ],
)
def test_each_permission_counts(greet: APIClient, client_of: ClientOf, verb: str, needed: list[str]) -> None:
    body = {"values": {"who": "Ann"}} if verb != "regenerate" else {}
    assert act(client_of(*needed), verb, body).status_code in (200, 201)
    for missing in needed:
        assert act(client_of(*(name for name in needed if name != missing)), verb, body).status_code == 403


def test_changing_templates_needs_their_permissions(greet: APIClient, client_of: ClientOf) -> None:
    other = client_of("view_dagtemplate", "view_dag", "add_dagversion", "change_dag")
    assert other.post(TEMPLATES, {"source": TEXT}).status_code == 403
    assert other.delete(f"{TEMPLATES}/greet").status_code == 403
    assert other.get(TEMPLATES).status_code == 200
    assert client_of("view_dag").get(TEMPLATES).status_code == 403


@pytest.mark.parametrize(
    "body",
    [{"values": []}, {"values": "x"}, {"values": {"who": "\0"}}, {"dag_id": "a b"}, {"dag_id": ["x"]}, {"adopt": "x"}],
)
def test_bad_bodies_are_problems(greet: APIClient, body: dict[str, Any]) -> None:
    answer = act(greet, "generate", {"values": {"who": "Ann"}} | body)
    assert answer.status_code in (400, 422), answer.json()
    assert answer.json()["problems"]


def test_the_schema_of_the_parameters(author: APIClient, version: DagVersion) -> None:
    schema = author.get("/api/v1/dags/sales/params-schema").json()
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["x-order"] == ["day", "limit"]
    jsonschema.validate({"day": schema["properties"]["day"]["default"]}, schema, cls=jsonschema.Draft202012Validator)
    assert author.get("/api/v1/dags/sales/params-schema?version=1").json() == schema
    assert author.get("/api/v1/dags/sales").json()["params_schema"] == schema
    assert author.get("/api/v1/dags/sales/params-schema?version=7").json()["code"] == "unknown_version"
    assert author.get("/api/v1/dags/none/params-schema").json()["code"] == "unknown_dag"
