"""Search and windows in logs over HTTP."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from tests.integration.api.conftest import ClientOf
from workflows.models import DagVersion, LogChunk, TaskExecution

pytestmark = pytest.mark.django_db


@pytest.fixture
def base(author: APIClient, version: DagVersion) -> str:
    """The address of a task whose first attempt wrote three chunks."""
    run = author.post("/api/v1/dags/sales/runs", {}).json()["id"]
    task = TaskExecution.objects.get(run_id=run, task_id="fetch")
    for seq, (stream, text) in enumerate([("stdout", "INFO one\ntwo "), ("stderr", "ERROR x\n"), ("log", "ERROR y\n")]):
        LogChunk.objects.create(task_execution_id=task.pk, attempt=1, seq=seq, stream=stream, text=text)
    return f"/api/v1/runs/{run}/tasks/fetch/logs"


def test_search_goes_on_where_it_stopped(author: APIClient, base: str) -> None:
    first = author.get(f"{base}/search?level=error&limit=1").json()
    assert [(line["number"], line["text"], line["level"]) for line in first["lines"]] == [(2, "two ERROR x", "error")]
    assert (first["exhausted"], first["complete"]) == (False, False)
    rest = author.get(f"{base}/search?level=error&limit=5&after={first['next_after']}").json()
    assert [(line["seq"], line["line"], line["number"], line["stream"]) for line in rest["lines"]] == [(2, 0, 3, "log")]
    assert (rest["exhausted"], rest["complete"]) == (True, False)
    assert author.get(f"{base}/search?text=ONE&stream=stdout,stderr").json()["lines"][0]["number"] == 1


@pytest.mark.parametrize("query", ["level=loud", "stream=all", "after=1", "after=1.2.x", "limit=0", "regex=1"])
def test_what_is_not_understood_is_refused(author: APIClient, base: str, query: str) -> None:
    assert author.get(f"{base}/search?{query}").status_code == 400


def test_it_needs_the_permission_to_see_logs(client_of: ClientOf, base: str) -> None:
    assert client_of("view_taskexecution").get(f"{base}/search").status_code == 403


def test_the_tail_with_its_line_number(author: APIClient, base: str) -> None:
    tail = author.get(f"{base}?before=2147483647&chars=10&numbered=true").json()
    assert ([c["seq"] for c in tail["chunks"]], tail["first_line"], tail["begins"]) == ([2], 3, False)
    before = author.get(f"{base}?before=2").json()
    assert ([c["seq"] for c in before["chunks"]], before["begins"]) == ([0, 1], True)
