"""The API is closed in a host project too, whatever its REST framework settings allow."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from rest_framework.permissions import AllowAny
from rest_framework.settings import api_settings

pytestmark = pytest.mark.django_db


def views(patterns: list[Any]) -> list[Any]:
    """Every view class of the API."""
    found: list[Any] = []
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            found += views(list(pattern.url_patterns))
        elif isinstance(pattern, URLPattern) and (cls := getattr(pattern.callback, "cls", None)):
            found.append(cls)
    return [cls for cls in found if cls.__module__.startswith("api.")]


def test_no_view_leaves_its_door_to_the_projects_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_settings, "DEFAULT_PERMISSION_CLASSES", [AllowAny])
    every = views(list(get_resolver().url_patterns))
    assert len(every) > 10
    for cls in every:
        for name in ("permission_classes", "authentication_classes"):
            owner = next(base for base in cls.__mro__ if name in vars(base))
            assert not owner.__module__.startswith("rest_framework"), f"{cls.__name__}.{name}"


def test_strangers_stay_outside(client: Client) -> None:
    assert client.get("/api/v1/dags").status_code == 401
