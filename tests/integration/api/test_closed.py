"""Nothing is open but health: every route, every method, every trick with a path, every kind of token."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.middleware.csrf import _get_new_csrf_string
from django.test import Client
from django.urls import resolve
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from api.permissions import Needed
from tests.integration.api import routes
from tests.integration.api.conftest import AUTHOR, DOCUMENT, OPERATOR, VIEWER, ClientOf
from workflows.engine.launch import launch
from workflows.models import DagVersion

pytestmark = pytest.mark.django_db
# The admin's log-in page, and the words that it needs to be shown.
LOGIN = ("/admin/login/", "/admin/jsi18n/")
REFUSED = {401, 403, 404, 405}


def test_every_route_of_the_api_refuses_strangers_in_every_method() -> None:
    client = APIClient()
    found = routes.api_routes()
    assert len(found) > 30
    for route, method in itertools.product(found, routes.METHODS):
        answer = client.generic(method, routes.example(route), b"{}", content_type="application/json")
        assert answer.status_code == 401, (method, route, answer.status_code)
        assert answer["Content-Type"] == "application/problem+json"
        assert answer["WWW-Authenticate"] == "Token"


def test_every_other_route_refuses_strangers_or_sends_them_to_the_login() -> None:
    client = Client()
    for route, _ in routes.patterns():
        path = routes.example(route)
        if path in routes.OPEN or path in LOGIN:
            continue
        answer = client.get(path)
        if answer.status_code in (301, 302):
            answer = client.get(path, follow=True)
            assert answer.redirect_chain[-1][0].startswith("/admin/login/"), (path, answer.redirect_chain)
        else:
            assert answer.status_code in REFUSED, (path, answer.status_code)


def test_no_trick_with_a_path_borrows_the_openness_of_health() -> None:
    client = APIClient()
    tricks = []
    for path, word in itertools.product(["/api/v1/dags", "/api/v1/runs/1", "/api/v1/schema"], routes.OPEN):
        name = word[1:]
        tricks += [
            f"{path}/{name}",
            f"{path}{word}/",
            f"{path};/{name}",
            f"{path}?{name}",
            f"{path}#{name}",
            f"{path}%2f{name}",
            f"{path}%00{name}",
            f"{path}.{name}",
            f"{word}/..{path}",
            f"{word}/../..{path}",
            f"{word}%2f..{path}",
            f"{word};{path}",
            f"{word}/{path}",
            f"/{path}",
            f"/{word}/",
            f"{word}/",
            f"/{name.upper()}",
            f"{word}.json",
            f"{word}x",
            f"{word}%0a",
        ]
    for trick, method in itertools.product(tricks, ("GET", "POST", "OPTIONS")):
        answer = client.generic(method, trick, b"{}", content_type="application/json")
        assert answer.status_code in REFUSED, (method, trick, answer.status_code)


def test_method_override_headers_change_nothing() -> None:
    client = APIClient()
    headers = {
        "HTTP_X_HTTP_METHOD_OVERRIDE": "GET",
        "HTTP_X_ORIGINAL_URL": "/healthz",
        "HTTP_X_REWRITE_URL": "/healthz",
        "HTTP_X_FORWARDED_FOR": "127.0.0.1",
        "HTTP_X_FORWARDED_USER": "root",
        "HTTP_REMOTE_USER": "root",
    }
    assert client.get("/api/v1/dags", **headers).status_code == 401
    assert client.post("/api/v1/dags", {"_method": "GET"}, **headers).status_code == 401


def test_every_view_of_the_api_has_a_table_that_names_its_actions() -> None:
    """A view that forgot its table would be closed, which nobody should have to find out in production."""
    for route in routes.api_routes():
        view: Any = resolve(routes.example(route)).func
        if view.cls.__name__ == "SchemaView":
            continue
        assert view.cls.permission_classes == [Needed], route
        assert set(view.actions.values()) <= set(view.cls.needs), route


@pytest.mark.parametrize(
    "credential",
    [
        "Token",
        "Token ",
        "Token nothing",
        "Token {key}x",
        "Token {short}",
        "Token {flipped}",
        "Token {key} {key}",
        "Bearer {key}",
        "Basic {key}",
        "{key}",
        "Token \x00",
        "Token ' OR 1=1",
        "Token é",
        "Token %00",
    ],
)
def test_a_token_that_is_not_exactly_right_is_401(credential: str) -> None:
    key = Token.objects.create(user=User.objects.create_superuser("root")).key
    flipped = key[:-1] + ("0" if key[-1] != "0" else "1")
    header = credential.format(key=key, short=key[:-1], flipped=flipped)
    answer = APIClient().get("/api/v1/dags", HTTP_AUTHORIZATION=header)
    assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json")


def test_the_token_of_somebody_who_left_is_worth_nothing() -> None:
    user = User.objects.create_superuser("root")
    client = APIClient(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user).key}")
    assert client.get("/api/v1/dags").status_code == 200
    User.objects.update(is_active=False)
    assert client.get("/api/v1/dags").status_code == 401


def test_a_session_needs_the_csrf_token_for_what_changes_something() -> None:
    user = User.objects.create_superuser("root")
    client = APIClient(enforce_csrf_checks=True)
    client.force_login(user)
    assert client.get("/api/v1/dags").status_code == 200
    answer = client.post("/api/v1/dags", {"document": DOCUMENT})
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    secret = _get_new_csrf_string()
    client.cookies["csrftoken"] = secret
    answer = client.post("/api/v1/dags", {"document": DOCUMENT}, HTTP_X_CSRFTOKEN=secret)
    assert answer.status_code == 201


# Who may do what: method, path, and the least of the roles that may. docs/reference/api.md tells it.
ROLES: Mapping[str, list[str]] = {"nobody": [], "viewer": VIEWER, "operator": OPERATOR, "author": AUTHOR}
TASK = "/api/v1/runs/{run}/tasks/fetch"
ACTIONS = [
    ("GET", "/api/v1/dags", "viewer"),
    ("POST", "/api/v1/dags", "author"),
    ("GET", "/api/v1/dags/sales", "viewer"),
    ("PATCH", "/api/v1/dags/sales", "author"),
    ("POST", "/api/v1/dags/sales/pause", "author"),
    ("POST", "/api/v1/dags/sales/resume", "author"),
    ("POST", "/api/v1/dags/sales/runs", "operator"),
    ("GET", "/api/v1/dags/sales/versions", "viewer"),
    ("GET", "/api/v1/dags/sales/versions/1", "viewer"),
    ("GET", "/api/v1/dags/sales/versions/1/document", "viewer"),
    ("GET", "/api/v1/dags/sales/versions/1/explain", "viewer"),
    ("POST", "/api/v1/documents/validate", "viewer"),
    ("POST", "/api/v1/documents/explain", "viewer"),
    ("GET", "/api/v1/documents/schema", "viewer"),
    ("GET", "/api/v1/runs", "viewer"),
    ("GET", "/api/v1/runs/{run}", "viewer"),
    ("POST", "/api/v1/runs/{run}/cancel", "operator"),
    ("POST", "/api/v1/runs/{run}/pause", "operator"),
    ("POST", "/api/v1/runs/{run}/resume", "operator"),
    ("GET", "/api/v1/runs/{run}/events", "viewer"),
    ("GET", "/api/v1/runs/{run}/tasks", "viewer"),
    ("GET", TASK, "viewer"),
    ("GET", f"{TASK}/attempts", "viewer"),
    ("GET", f"{TASK}/logs", "viewer"),
    ("GET", f"{TASK}/logs/download", "viewer"),
    ("GET", "/api/v1/task-types", "viewer"),
    ("GET", "/api/v1/task-types/shell", "viewer"),
    ("GET", "/api/v1/pools", "viewer"),
    ("GET", "/api/v1/pools/default", "viewer"),
    ("GET", "/api/v1/nodes", "viewer"),
    ("GET", "/api/v1/nodes/none", "viewer"),
    ("GET", "/api/v1/schema", "nobody"),
]


def test_the_table_of_roles_has_every_route() -> None:
    named = {resolve(path.format(run=1)).view_name for _, path, _ in ACTIONS}
    there = {resolve(routes.example(route)).view_name for route in routes.api_routes()}
    assert there - named == {"api:nowhere"}


@pytest.mark.parametrize("role", ROLES)
def test_each_role_may_do_exactly_what_the_table_says(client_of: ClientOf, version: DagVersion, role: str) -> None:
    run = launch("sales", on_commit=True).pk
    client = client_of(*ROLES[role])
    ranks = list(ROLES)
    for method, path, least in ACTIONS:
        answer = client.generic(method, path.format(run=run), b"{}", content_type="application/json")
        if ranks.index(role) < ranks.index(least):
            assert answer.status_code == 403, (role, method, path)
        else:
            assert answer.status_code not in (401, 403), (role, method, path, answer.content)


def test_permission_is_asked_before_existence(client_of: ClientOf) -> None:
    client = client_of()
    for method, path, least in ACTIONS:
        if least != "nobody":
            answer = client.generic(method, path.format(run=999), b"", content_type="application/json")
            assert answer.status_code == 403, (method, path)
