"""Why is it not running, over HTTP and on the command line: the same answer."""

from __future__ import annotations

import json
import re
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.utils import translation
from rest_framework.test import APIClient

from api.errors import STATUS_OF
from workflows.core.errors import text_of
from workflows.engine.launch import launch
from workflows.models import DagVersion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("broker")]


def told(*args: Any) -> str:
    out = StringIO()
    call_command("run_explain", *args, stdout=out)
    return out.getvalue()


def test_a_task_is_explained(author: APIClient, version: DagVersion) -> None:
    run = launch("sales", on_commit=True).pk
    answer = author.get(f"/api/v1/runs/{run}/tasks/clean/explain").json()
    assert (answer["state"], answer["blocked_by"]) == ("pending", "upstreams")
    assert answer["says"] == "it waits for 1 of 1 upstream (all_success): fetch is queued"
    gates = {gate["name"]: gate for gate in answer["gates"]}
    assert gates["upstreams"]["data"]["upstreams"] == {"fetch": "queued"}
    assert gates["workers"]["verdict"] == "not_reached"
    lines = told(run, "clean").splitlines()
    assert lines[0] == f"task clean of run {run} is pending: {answer['says']}"
    assert [line.split()[1] for line in lines[3:]] == [gate["name"] for gate in answer["gates"]]
    assert json.loads(told(run, "clean", "--json"))["blocked_by"] == "upstreams"


def test_a_run_is_explained(author: APIClient, version: DagVersion) -> None:
    run = launch("sales", on_commit=True).pk
    answer = author.get(f"/api/v1/runs/{run}/explain").json()
    assert (answer["task_id"], answer["blocked_by"]) == ("", "tasks")
    assert "no live worker takes queue celeriac" in answer["says"]
    assert told(run).startswith(f"run {run} is running: no task runs: 2 pending, 1 queued. fetch: no live worker")


def test_what_is_not_there_is_a_404(author: APIClient, version: DagVersion) -> None:
    run = launch("sales", on_commit=True).pk
    assert author.get(f"/api/v1/runs/{run}/tasks/nothing/explain").json()["code"] == "unknown_task"
    assert author.get(f"/api/v1/runs/{run}/tasks/clean/explain?map_index=2").json()["code"] == "unknown_task"
    assert author.get("/api/v1/runs/999/explain").json()["code"] == "unknown_run"
    with pytest.raises(CommandError, match="has no task"):
        told(run, "clean[2]")


def test_it_needs_the_permission_to_see_tasks(client_of: Any, version: DagVersion) -> None:
    run = launch("sales", on_commit=True).pk
    assert client_of("view_dagrun").get(f"/api/v1/runs/{run}/explain").status_code == 403
    assert client_of("view_dagrun").get(f"/api/v1/runs/{run}/tasks/clean/explain").status_code == 403


def test_it_is_told_in_the_language_that_is_asked_for(author: APIClient, version: DagVersion) -> None:
    run = launch("sales", on_commit=True).pk
    chinese = {"HTTP_ACCEPT_LANGUAGE": "zh-Hans"}
    answer = author.get(f"/api/v1/runs/{run}/tasks/clean/explain", **chinese).json()
    sentences = [answer["says"], *(gate["says"] for gate in answer["gates"] if gate["verdict"] != "not_reached")]
    assert [text for text in sentences if not re.search(r"[\u4e00-\u9fff]", text)] == []
    refused = author.get("/api/v1/runs/999/explain", **chinese).json()
    assert (refused["code"], refused["detail"]) == ("unknown_run", "没有运行 999。")
    assert author.get("/api/v1/nowhere", **chinese).json()["detail"] == "这里什么也没有。"


def test_every_refusal_has_words_in_chinese() -> None:
    with translation.override("zh-hans"):
        said = {kind: translation.gettext(text_of(kind)) for kind in STATUS_OF}
    assert [kind.__name__ for kind, text in said.items() if not re.search(r"[\u4e00-\u9fff]", text)] == []
