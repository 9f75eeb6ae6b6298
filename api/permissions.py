"""What each action needs. A view without a table, or an action that is not in it, is closed to everybody."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from typing import TYPE_CHECKING, Any

from django.contrib.auth import get_user
from rest_framework.permissions import BasePermission

if TYPE_CHECKING:  # REST framework's views import this module through its settings
    from rest_framework.request import Request
    from rest_framework.views import APIView

# Actions that no method was found for: the answer is 405, for whoever is logged in.
_NOT_ALLOWED = (None, "metadata")


class Needed(BasePermission):
    """A logged-in user with every Django permission that `view.needs[action]` names."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Default deny."""
        if not (request.user and request.user.is_authenticated):
            return False
        action = getattr(view, "action", None)
        if action in _NOT_ALLOWED:
            return True
        needed = getattr(view, "needs", {}).get(action)
        return needed is not None and request.user.has_perms(needed)


def may_still(request: Request, needed: Sequence[str]) -> bool:
    """Whether who made a request, long ago, would be let in now: by session or token, and permissions."""
    from rest_framework.exceptions import AuthenticationFailed

    http = copy(request._request)
    if hasattr(http, "session"):
        http.session = type(http.session)(http.session.session_key)  # read again: it may have ended
        http.user = get_user(http)
    authenticators: Any = request.authenticators
    again = type(request)(http, authenticators=authenticators)
    try:
        return bool(again.user.is_authenticated and again.user.has_perms(needed))
    except AuthenticationFailed:
        return False
