"""Events as a stream: from a running web process, with a real worker behind it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import httpx
import pytest
from django.contrib.auth import get_user
from django.contrib.auth.models import Permission, User
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import Client, RequestFactory
from rest_framework.authentication import SessionAuthentication, TokenAuthentication
from rest_framework.authtoken.models import Token
from rest_framework.request import Request
from rest_framework.test import APIClient

from api.permissions import may_still
from tests.support.stack import Stack
from tests.support.waiting import eventually
from workflows.models import DagVersion

pytestmark = pytest.mark.timeout(90)

STREAM = {"Accept": "text/event-stream"}
SOURCE = """\
id: hello
tasks:
  greet: {type: shell, command: "echo hello"}
  after: {type: shell, command: "true", depends_on: [greet]}
"""
STANDING = "{id: standing, tasks: {stand: {type: wait, parameters: {for: 10m}}}}"


@pytest.fixture
def client(live_stack: Callable[..., Stack]) -> Iterator[httpx.Client]:
    """A client of a running web process, with a superuser's token."""
    stack = live_stack(workers=1, web=True, env={"CELERIAC_SETTINGS": json.dumps({"EVENT_STREAMS": 2})})
    token = Token.objects.create(user=User.objects.create_superuser("root"))
    headers = {"Authorization": f"Token {token.key}"}
    with httpx.Client(base_url=stack.web_url, headers=headers, timeout=20, trust_env=False) as opened:
        yield opened


def messages(answer: httpx.Response) -> Iterator[tuple[int, dict[str, Any]]]:
    """(id, data) of each message as it comes."""
    last = 0
    for line in answer.iter_lines():
        name, _, value = line.partition(": ")
        if name == "id":
            last = int(value)
        elif name == "data":
            yield last, json.loads(value)


def until_the_end(client: httpx.Client, run: str, **headers: str) -> list[tuple[int, dict[str, Any]]]:
    """Every message until the run's own last event."""
    found = []
    with client.stream("GET", f"{run}/events", headers={**STREAM, **headers}) as answer:
        assert answer.status_code == 200, answer.read()
        assert answer.headers["content-type"].startswith("text/event-stream")
        for message in messages(answer):
            found.append(message)
            if any(e["task_id"] == "" and e["new"] == "success" for e in message[1]["events"]):
                return found
    raise AssertionError("the stream ended before the run")


def started(client: httpx.Client, source: str = SOURCE, dag: str = "hello") -> str:
    if client.get(f"/api/v1/dags/{dag}").status_code == 404:
        assert client.post("/api/v1/dags", json={"source": source}).status_code == 201
    return f"/api/v1/runs/{client.post(f'/api/v1/dags/{dag}/runs', json={}).json()['id']}"


def test_a_stream_tells_what_polling_tells_and_goes_on_where_it_was_left(client: httpx.Client) -> None:
    run = started(client)
    told = until_the_end(client, run)
    polled = client.get(f"{run}/events").json()
    assert [event for _, page in told for event in page["events"]] == polled["events"]
    places = [0, *(number for number, _ in told)]
    assert [(page["since"], page["next_since"]) for _, page in told] == list(pairwise(places))
    cut = polled["events"][2]["seq"]
    rest = until_the_end(client, run, **{"Last-Event-ID": str(cut)})
    assert [e for _, page in rest for e in page["events"]] == [e for e in polled["events"] if e["seq"] > cut]
    over = client.get(f"{run}/events", headers={**STREAM, "Last-Event-ID": str(polled["next_since"])})
    assert over.status_code == 204, "a browser would ask for ever"


def test_idle_streams_share_one_connection_and_are_bounded(client: httpx.Client) -> None:
    run = started(client, STANDING, "standing")
    eventually(
        lambda: client.get(f"{run}/events").json()["events"][-1]["new"] == "deferred", 20, saying="it stands not"
    )
    end = client.get(f"{run}/events").json()["next_since"]
    before = _sessions()
    with (
        client.stream("GET", f"{run}/events?since={end}", headers=STREAM) as first,
        client.stream("GET", f"{run}/events?since={end}", headers=STREAM) as second,
    ):
        lines = (first.iter_lines(), second.iter_lines())  # kept: httpx closes what nobody iterates any more
        assert [next(line) for line in lines] == ["retry: 1000", "retry: 1000"]
        refused = client.get(f"{run}/events", headers=STREAM)
        assert (refused.status_code, refused.json()["code"]) == (503, "too_many_streams")
        eventually(lambda: _sessions() <= before + 1, 10, saying="idle streams hold connections")
    eventually(lambda: _opens(client, f"{run}/events?since={end}"), 10, saying="closed streams were counted for ever")


def _sessions() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()")
        return int(cursor.fetchone()[0])


def _opens(client: httpx.Client, address: str) -> bool:
    with client.stream("GET", address, headers=STREAM) as answer:
        return answer.status_code == 200


@pytest.mark.django_db
def test_without_asgi_a_stream_is_refused(author: APIClient, version: DagVersion) -> None:
    run = author.post("/api/v1/dags/sales/runs", {}).json()["id"]
    answer = author.get(f"/api/v1/runs/{run}/events", HTTP_ACCEPT="text/event-stream")
    assert (answer.status_code, answer.json()["code"]) == (406, "not_acceptable")


@pytest.mark.django_db
def test_who_is_logged_out_or_loses_the_right_may_no_more(rf: RequestFactory) -> None:
    user = User.objects.create_user("eve")
    right = Permission.objects.get(codename="view_event")
    user.user_permissions.add(right)
    browser = Client()
    browser.force_login(user)
    http = rf.get("/")
    http.session = SessionStore(browser.session.session_key)
    http.user = get_user(http)
    request = Request(http, authenticators=[SessionAuthentication()])
    needed = ("workflows.view_event",)
    assert may_still(request, needed)
    user.user_permissions.clear()
    assert not may_still(request, needed)
    user.user_permissions.add(right)
    assert may_still(request, needed)
    browser.logout()
    assert not may_still(request, needed)


@pytest.mark.django_db
def test_a_token_that_is_taken_back_opens_nothing(rf: RequestFactory) -> None:
    token = Token.objects.create(user=User.objects.create_superuser("root"))
    http = rf.get("/", HTTP_AUTHORIZATION=f"Token {token.key}")
    request = Request(http, authenticators=[TokenAuthentication()])
    assert may_still(request, ("workflows.view_event",))
    token.delete()
    assert not may_still(request, ("workflows.view_event",))
