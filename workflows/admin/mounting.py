"""What every page with an entry of the front end gives to it, as one JSON block."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils.translation import get_language

from workflows.admin.bases import may

_PERMISSIONS = {
    "publish": ("add_dagversion", "change_dag"),
    "run": ("add_dagrun",),
    "control": ("change_dag",),
    "operate": ("change_dagrun",),
    "logs": ("view_logchunk",),
    "templates": ("view_dagtemplate",),
}


def api_root() -> str | None:
    """Where the API is in this project; None when its addresses are not included."""
    try:
        return reverse("api:dags").removesuffix("dags")
    except NoReverseMatch:
        return None


def props(request: HttpRequest, **more: Any) -> dict[str, Any]:
    """The props of an entry: the API's address, the language, and what the user may do."""
    return {
        "api": api_root(),
        "language": get_language() or "en",
        "permissions": {name: all(may(request, each) for each in needed) for name, needed in _PERMISSIONS.items()},
        **more,
    }
