"""The Django app of the HTTP door."""

from __future__ import annotations

from django.apps import AppConfig


class ApiConfig(AppConfig):
    """The API."""

    name = "api"
    verbose_name = "API"
