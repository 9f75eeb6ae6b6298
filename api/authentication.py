"""Who is asking: a token in the Authorization header, or the admin's session (with CSRF)."""

from __future__ import annotations

from typing import Any

from rest_framework.authentication import TokenAuthentication
from rest_framework.exceptions import AuthenticationFailed


class ApiTokenAuthentication(TokenAuthentication):
    """`Authorization: Token …`, from `manage.py drf_create_token` or the admin."""

    def authenticate_credentials(self, key: str) -> tuple[Any, Any]:
        """The user of a token; text that no token can be is refused before the database sees it."""
        if not (key.isascii() and key.isalnum()):
            raise AuthenticationFailed
        return super().authenticate_credentials(key)
