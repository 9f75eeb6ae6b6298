"""The API as clients meet it: over HTTP, in front of a real worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from django.contrib.auth.models import User
from rest_framework.authtoken.models import Token

from tests.support.stack import Stack
from tests.support.waiting import eventually

SOURCE = """\
id: hello
params: {name: {type: string, default: world}}
tasks:
  greet: {type: shell, command: "echo hello {{ params.name }}"}
  after: {type: shell, command: "true", depends_on: [greet]}
"""


@pytest.fixture
def client(live_stack: Callable[..., Stack]) -> Iterator[httpx.Client]:
    """A client of a running web process, with a superuser's token."""
    stack = live_stack(workers=1, web=True)
    token = Token.objects.create(user=User.objects.create_superuser("root"))
    headers = {"Authorization": f"Token {token.key}"}
    with httpx.Client(base_url=stack.web_url, headers=headers, timeout=20, trust_env=False) as opened:
        yield opened


def test_publish_trigger_follow_and_read_the_log(client: httpx.Client) -> None:
    assert client.post("/api/v1/dags", json={"source": SOURCE}).status_code == 201
    started = client.post("/api/v1/dags/hello/runs", json={"params": {"name": "Ada"}}, headers={"Idempotency-Key": "k"})
    assert started.status_code == 201, started.text
    run = f"/api/v1/runs/{started.json()['id']}"
    events = _followed(client, run)
    assert [(e["task_id"], e["new"]) for e in events] == [
        ("", "running"),
        ("greet", "queued"),
        ("greet", "running"),
        ("greet", "success"),
        ("after", "queued"),
        ("after", "running"),
        ("after", "success"),
        ("", "success"),
    ]
    assert client.get(run).json()["task_counts"] == {"success": 2}
    assert client.get(f"{run}/tasks/greet/logs/download").text == "hello Ada\n"
    log = client.get(f"{run}/tasks/greet/logs").json()
    assert (log["attempt"], log["complete"]) == (1, True)
    assert client.get(f"{run}/tasks/greet/attempts").json()["results"][0]["end"] == "success"
    again = client.post("/api/v1/dags/hello/runs", json={"params": {"name": "Ada"}, "external_id": "k"})
    assert (again.status_code, again.headers["Idempotent-Replay"]) == (200, "true")
    health = client.get("/health", headers={"Authorization": ""})
    assert (health.status_code, health.json()["status"]) == (200, "ok"), health.text
    assert client.get("/api/v1/nodes?alive=true").json()["count"] == 1


def _followed(client: httpx.Client, run: str) -> list[dict[str, Any]]:
    """Every event of a run until its end, as a client that follows it sees them."""
    events: list[dict[str, Any]] = []

    def over() -> bool:
        since = events[-1]["seq"] if events else 0
        events.extend(client.get(f"{run}/events", params={"since": since, "limit": 1}).json()["events"])
        return any(e["task_id"] == "" and e["new"] == "success" for e in events)

    eventually(over, 30, saying="the run never ended")
    return events


def test_a_body_that_is_too_large_is_refused_over_http(client: httpx.Client) -> None:
    answer = client.post(
        "/api/v1/documents/validate", content=b" " * 12_000_001, headers={"Content-Type": "application/json"}
    )
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
