"""Users, tokens and a DAG for the API's tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import Permission, User
from rest_framework.authtoken.models import Token
from rest_framework.test import APIClient

from workflows.engine.publish import publish
from workflows.models import DagVersion, NodePool

DOCUMENT: dict[str, Any] = {
    "id": "sales",
    "name": "Sales",
    "description": "Fetch and clean.",
    "config": {"tags": ["daily", "shop"], "owner": "data-team"},
    "params": {
        "day": {"type": "string", "format": "date", "default": "{{ run.logical_date | date }}"},
        "limit": {"type": "integer", "default": 10, "minimum": 1},
    },
    "tasks": {
        "fetch": {"type": "shell", "command": "echo fetch"},
        "clean": {"type": "shell", "command": "echo clean", "depends_on": ["fetch"]},
        "report": {"type": "shell", "command": "echo report", "depends_on": ["clean"]},
    },
}

# The roles of docs/reference/api.md, as permissions.
VIEWER = [
    f"view_{name}"
    for name in (
        "dag",
        "dagversion",
        "dagrun",
        "taskexecution",
        "taskattempt",
        "event",
        "logchunk",
        "nodepool",
        "node",
        "backfill",
        "dagtemplate",
    )
]
OPERATOR = [*VIEWER, "add_dagrun", "change_dagrun", "add_backfill", "change_backfill"]
TEMPLATES = [f"{verb}_dagtemplate" for verb in ("add", "change", "delete")]
AUTHOR = [*OPERATOR, "add_dagversion", "change_dag", "delete_dag", "delete_dagrun", *TEMPLATES]

ClientOf = Callable[..., APIClient]


@pytest.fixture
def client_of(db: None) -> ClientOf:
    """`client_of("view_dag", …)`: a client with the token of a new user who has exactly these permissions."""

    def make(*codenames: str, superuser: bool = False) -> APIClient:
        user = User.objects.create_user(f"user{User.objects.count()}", is_superuser=superuser)
        found = Permission.objects.filter(content_type__app_label="workflows", codename__in=codenames)
        assert found.count() == len(set(codenames)), codenames
        user.user_permissions.set(found)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Token {Token.objects.create(user=user).key}")
        return client

    return make


@pytest.fixture
def author(client_of: ClientOf) -> APIClient:
    """Somebody who may do everything in the API."""
    return client_of(*AUTHOR)


@pytest.fixture
def version(db: None) -> DagVersion:
    """The DAG `sales`, published."""
    NodePool.objects.get_or_create(name="default")  # a test with real transactions before has emptied the tables
    return publish(DOCUMENT)
