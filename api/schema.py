"""The API's own description."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularJSONAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from api.errors import CONTENT_TYPE

PROBLEM = "ProblemDetails"


class SchemaView(SpectacularJSONAPIView):
    """OpenAPI 3 of the API, for whoever is logged in."""

    authentication_classes = Closed.authentication_classes
    permission_classes = [IsAuthenticated]


class NowhereResource(Closed, ViewSet):
    """Every other address below the API: 401 for strangers, 404 for the others, always a problem document."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"nowhere": ()}

    @extend_schema(exclude=True)
    def nowhere(self, request: Request, rest: str = "") -> Response:
        """There is nothing here."""
        raise Http404


def add_problems(result: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
    """Say in the schema that every operation may answer with a problem document."""
    schemas = result.setdefault("components", {}).setdefault("schemas", {})
    text = {"type": "string"}
    schemas[PROBLEM] = {
        "type": "object",
        "description": "RFC 9457. `code` is stable; `problems` has one entry for each thing that is wrong.",
        "properties": {
            "type": text,
            "title": text,
            "status": {"type": "integer"},
            "detail": text,
            "instance": text,
            "code": text,
            "problems": {"type": "array", "items": {"$ref": "#/components/schemas/Problem"}},
        },
        "required": ["type", "title", "status", "detail", "instance", "code", "problems"],
    }
    answer = {
        "description": "A problem",
        "content": {CONTENT_TYPE: {"schema": {"$ref": f"#/components/schemas/{PROBLEM}"}}},
    }
    for operations in result.get("paths", {}).values():
        for operation in operations.values():
            operation.setdefault("responses", {})["default"] = answer
    return result
