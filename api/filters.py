"""Filters of lists. An unknown query parameter is an error: a misspelt filter must not mean "everything"."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, TypeVar

from django.core.exceptions import ValidationError as InvalidMoment
from django.db.models import Model, QuerySet
from django.forms import IntegerField
from django_filters import IsoDateTimeFilter, NumberFilter
from django_filters.fields import IsoDateTimeField
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.generics import GenericAPIView
from rest_framework.request import Request

from api.pagination import known_parameters


class UtcMomentField(IsoDateTimeField):  # type: ignore[misc]
    """A moment in ISO 8601, in UTC: PostgreSQL does not know every offset that Python does."""

    def to_python(self, value: Any) -> datetime | None:
        """The moment; ValidationError when UTC's calendar has no such day."""
        found: datetime | None = super().to_python(value)
        try:
            return found and found.astimezone(UTC)
        except OverflowError as error:
            raise InvalidMoment(self.error_messages["invalid"], code="invalid") from error


class MomentFilter(IsoDateTimeFilter):  # type: ignore[misc]
    """Compares with a moment."""

    field_class = UtcMomentField


class WholeNumberFilter(NumberFilter):  # type: ignore[misc]
    """Compares with an integer column."""

    field_class = IntegerField

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"min_value": -(2**31), "max_value": 2**31 - 1, **kwargs})


M = TypeVar("M", bound=Model)


class StrictFilterBackend(DjangoFilterBackend):  # type: ignore[misc]
    """django-filter, with unknown parameters refused."""

    def filter_queryset(self, request: Request, queryset: QuerySet[M], view: GenericAPIView[M]) -> QuerySet[M]:
        """The rows that the query parameters ask for."""
        filters = self.get_filterset_class(view, queryset)
        known = {*(filters.base_filters if filters else ()), *known_parameters(view.paginator)}
        refuse_unknown(request, known)
        filtered: QuerySet[M] = super().filter_queryset(request, queryset, view)
        return filtered


def refuse_unknown(request: Request, known: set[str]) -> None:
    """Raise ValidationError for query parameters outside `known`."""
    unknown: dict[str, Any] = {
        name: [f"There is no such parameter; known are {', '.join(sorted(known)) or 'none'}."]
        for name in request.query_params
        if name not in known
    }
    if unknown:
        raise ValidationError(unknown, code="unknown_parameter")
