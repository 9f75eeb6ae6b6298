"""What every view of the API insists on, whatever REST framework settings the project has.

A host project mounts these views with settings of its own; without this, its defaults would decide who may come in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rest_framework.authentication import SessionAuthentication
from rest_framework.renderers import JSONRenderer

from api.authentication import ApiTokenAuthentication
from api.errors import handle
from api.parsers import StrictJSONParser
from api.permissions import Needed


class Closed:
    """Mix in before a view class: authenticated, permitted, JSON, and problem documents."""

    authentication_classes: Any = [ApiTokenAuthentication, SessionAuthentication]
    permission_classes: Any = [Needed]
    parser_classes: Any = [StrictJSONParser]
    renderer_classes: Any = [JSONRenderer]

    def get_exception_handler(self) -> Callable[..., Any]:
        """Errors as problem documents."""
        return handle
