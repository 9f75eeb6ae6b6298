"""Lists in pages of bounded size: by a key for what grows for ever, by page number for what does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, Q, QuerySet
from rest_framework.exceptions import ValidationError
from rest_framework.pagination import BasePagination, PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.urls import replace_query_param
from rest_framework.views import APIView

M = TypeVar("M", bound=Model)
_BIGINT = 2**63


def whole_number(text: str, name: str, *, least: int = -_BIGINT, most: int = _BIGINT - 1) -> int:
    """A whole number from a query parameter, or a ValidationError that names it."""
    try:
        value = int(text) if len(text) <= 20 and text.isascii() else None
    except ValueError:
        value = None
    if value is None or not least <= value <= most:
        raise ValidationError({name: [f"Must be a whole number from {least} to {most}."]}, code="invalid")
    return value


class Pages(PageNumberPagination):
    """`page` and `limit`, with the count of all: for DAGs, versions, pools, nodes."""

    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"
    parameters: ClassVar[frozenset[str]] = frozenset({"page", "limit"})

    def get_page_size(self, request: Request) -> int | None:
        """The wanted size; an impossible one is an error, not another size."""
        given = request.query_params.get("limit")
        return self.page_size if given is None else whole_number(given, "limit", least=1, most=self.max_page_size)


class Keyset(BasePagination):
    """`cursor` and `limit`: the rows after the previous page's last one, however many were added since."""

    keys: ClassVar[tuple[str, ...]] = ("id",)
    descending = True
    page_size = 50
    max_page_size = 200
    parameters: ClassVar[frozenset[str]] = frozenset({"cursor", "limit"})

    def paginate_queryset(  # type: ignore[override]
        self, queryset: QuerySet[M], request: Request, view: APIView | None = None
    ) -> list[M]:
        """One page, and whether there is another."""
        given = request.query_params
        limit = whole_number(given.get("limit", str(self.page_size)), "limit", least=1, most=self.max_page_size)
        sign = "-" if self.descending else ""
        ordered = queryset.order_by(*(f"{sign}{key}" for key in self.keys))
        if cursor := given.get("cursor"):
            ordered = ordered.filter(self._beyond(cursor))
        found = list(ordered[: limit + 1])
        page = found[:limit]
        self._cursor = self._cursor_of(page[-1]) if len(found) > limit else None
        self._url = request.build_absolute_uri()
        return page

    def _beyond(self, cursor: str) -> Q:
        parts = cursor.split(":")
        if len(parts) != len(self.keys):
            raise ValidationError({"cursor": ["This is not a cursor of this list."]}, code="invalid")
        values = [whole_number(part, "cursor") for part in parts]
        comparison = "lt" if self.descending else "gt"
        beyond = Q()
        for depth, key in enumerate(self.keys):
            same = dict(zip(self.keys[:depth], values[:depth], strict=True))
            beyond |= Q(**same, **{f"{key}__{comparison}": values[depth]})
        return beyond

    def _cursor_of(self, row: Model) -> str:
        return ":".join(str(getattr(row, key)) for key in self.keys)

    def get_paginated_response(self, data: Any) -> Response:
        """The page with where the next one is."""
        following = None if self._cursor is None else replace_query_param(self._url, "cursor", self._cursor)
        return Response({"next": following, "next_cursor": self._cursor, "results": data})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The page in OpenAPI."""
        return {
            "type": "object",
            "required": ["next", "next_cursor", "results"],
            "properties": {
                "next": {"type": "string", "nullable": True, "format": "uri"},
                "next_cursor": {"type": "string", "nullable": True, "example": "123"},
                "results": schema,
            },
        }

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        """The query parameters in OpenAPI."""
        limit = {"type": "integer", "minimum": 1, "maximum": self.max_page_size, "default": self.page_size}
        return [
            _parameter("cursor", "`next_cursor` of the previous page", {"type": "string"}),
            _parameter("limit", "Rows on a page", limit),
        ]


class TaskKeyset(Keyset):
    """Task executions in the order of the plan; a whole run of up to 1,000 tasks fits on a page."""

    keys = ("position", "map_index")
    descending = False
    page_size = 200
    max_page_size = 1000


def _parameter(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def known_parameters(pagination: BasePagination | None) -> Sequence[str]:
    """The query parameters that a pagination reads."""
    return sorted(getattr(pagination, "parameters", ()))
