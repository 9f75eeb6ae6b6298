"""Garbage into every route: the answer may be any refusal, never a 5xx, and always a problem document."""

from __future__ import annotations

import json
import random
import re
from typing import Any
from urllib.parse import quote

import pytest
from rest_framework.test import APIClient

from tests.integration.api import routes
from tests.integration.api.conftest import ClientOf
from workflows.engine.launch import launch
from workflows.models import DagVersion

pytestmark = pytest.mark.django_db
TEXTS = [
    "",
    "\x00",
    "\ud800",
    "é" * 300,
    "-1",
    "0",
    str(2**31),
    str(2**63),
    "9" * 400,
    "²",
    "1e9",
    "NaN",
    "null",
    "[]",
    "true",
    "' OR 1=1 --",
    "{{ 7 * 7 }}",
    "../../etc/passwd",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2025-02-30",
    "%s%n",
    "\u202e",
    "name__startswith",
]
NAMES = [
    *("page", "limit", "cursor", "ordering", "search", "tag", "owner", "paused", "dag", "state", "trigger"),
    *("created_after", "created_before", "external_id", "since", "after", "attempt", "map_index", "format"),
    *("task", "alive", "id__gt", "dag__dag_id", "\x00"),
]
FIELDS = [
    *("document", "source", "format", "note", "params", "logical_date", "external_id", "id", "state"),
    *("created_by", "dag", "current_version"),
]


@pytest.fixture
def client(client_of: ClientOf, version: DagVersion) -> APIClient:
    """Somebody who gets past every permission, so that the garbage gets as far as it can."""
    made = client_of(superuser=True)
    made.raise_request_exception = False
    return made


def value(chance: random.Random, depth: int = 0) -> Any:
    """Some JSON."""
    kind = chance.randrange(7 if depth < 3 else 5)
    if kind < 2:
        return chance.choice(TEXTS)
    if kind < 5:
        return chance.choice([None, True, 0, -1, 1.5, 2**70, 1e308])
    if kind == 5:
        return [value(chance, depth + 1) for _ in range(chance.randrange(3))]
    keys = [*TEXTS, "id", "tasks", "params", "type", "limit", "day"]
    return {chance.choice(keys): value(chance, depth + 1) for _ in range(chance.randrange(4))}


def check(answer: Any, what: object) -> None:
    """No 5xx, and a problem document if it is an error."""
    assert answer.status_code < 500, (what, answer.content)
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json", (what, answer.content)


def test_moments_at_the_ends_of_the_calendar(client: APIClient) -> None:
    for text in TEXTS:
        for name in ("created_after", "created_before"):
            check(client.get(f"/api/v1/runs?{name}={quote(text, errors='surrogatepass')}"), text)


@pytest.mark.parametrize("route", routes.api_routes())
def test_garbage_in_queries_is_never_a_5xx(client: APIClient, version: DagVersion, route: str) -> None:
    chance = random.Random(route)
    run = launch("sales", on_commit=True).pk
    path = routes.example(route, run_id=str(run), name="shell")
    for name in NAMES:
        for text in chance.sample(TEXTS, 1 if route.endswith("/schema") else 4):
            address = f"{path}?{quote(name)}={quote(text, errors='surrogatepass')}"
            check(client.get(address), address)


@pytest.mark.parametrize("route", routes.api_routes())
def test_garbage_in_bodies_is_never_a_5xx(client: APIClient, version: DagVersion, route: str) -> None:
    chance = random.Random(route)
    run = launch("sales", on_commit=True).pk
    path = routes.example(route, run_id=str(run), name="shell")
    for _ in range(30):
        body = {chance.choice(FIELDS): value(chance) for _ in range(chance.randrange(4))}
        given: Any = body if chance.random() < 0.9 else value(chance)
        for method in ("POST", "PATCH"):
            check(client.generic(method, path, json.dumps(given), content_type="application/json"), given)
    for raw in (b"", b"\x00", b"[" * 5000, b"\xef\xbb\xbf{}", b'"\\ud800"'):
        check(client.generic("POST", path, raw, content_type="application/json"), raw)


@pytest.mark.parametrize("route", routes.api_routes())
def test_garbage_in_paths_is_never_a_5xx(client: APIClient, version: DagVersion, route: str) -> None:
    for name in (name for name in routes.EXAMPLES if re.search(rf"\b{name}>", route)):
        for text in TEXTS:
            path = routes.example(route, **{name: quote(text, safe="", errors="surrogatepass")})
            check(client.get(path), path)


@pytest.mark.parametrize("header", ["HTTP_IDEMPOTENCY_KEY", "HTTP_ACCEPT", "CONTENT_TYPE", "HTTP_AUTHORIZATION"])
def test_garbage_in_headers_is_never_a_5xx(client: APIClient, version: DagVersion, header: str) -> None:
    for text in [*TEXTS, "a/b;q=x", "application/json; charset=nonsense", "multipart/form-data", ";;;", "/"]:
        sent = text.encode("utf-8", "surrogatepass").decode("latin-1")
        check(client.generic("POST", "/api/v1/dags/sales/runs", b"{}", **{header: sent}), (header, text))


def test_fields_that_are_not_the_callers_to_set_are_ignored(client: APIClient, version: DagVersion) -> None:
    answer = client.post(
        "/api/v1/dags/sales/runs",
        {"state": "success", "id": 7, "trigger": "schedule", "triggered_by": "root", "depth": 9},
    )
    run = answer.json()
    assert (run["state"], run["trigger"], run["depth"]) == ("running", "api", 0)
