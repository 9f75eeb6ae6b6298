"""Fields and serializers that the resources share."""

from __future__ import annotations

from datetime import UTC
from typing import Any, ClassVar, TypeVar

from django.db import models
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request

from api.filters import refuse_unknown

M = TypeVar("M", bound=models.Model)
MAX_INT = 2**63 - 1


class UtcDateTimeField(serializers.DateTimeField):
    """A time as ISO 8601 in UTC, whatever the host project's TIME_ZONE."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"default_timezone": UTC, **kwargs})


class Record(serializers.ModelSerializer[M]):
    """Base of what is read from a table; times are in UTC."""

    serializer_field_mapping: ClassVar[dict[Any, Any]] = {
        **serializers.ModelSerializer.serializer_field_mapping,
        models.DateTimeField: UtcDateTimeField,
    }


@extend_schema_field({"type": "string"})
class ExactTextField(serializers.Field[str, str, str, str]):
    """Text kept to the last byte. What is wrong inside it is for the document's own checks to say."""

    default_error_messages: ClassVar[dict[str, Any]] = {"invalid": "Not a valid string."}

    def to_internal_value(self, data: Any) -> str:
        """The text itself."""
        if not isinstance(data, str):
            self.fail("invalid")
        return data

    def to_representation(self, value: str) -> str:
        """The text itself."""
        return value


class Query(serializers.Serializer[Any]):
    """Base of an operation's query parameters."""

    @classmethod
    def of(cls, request: Request) -> dict[str, Any]:
        """The parameters of a request, checked; unknown ones are refused."""
        query = cls(data=request.query_params.dict())
        refuse_unknown(request, set(query.fields))
        query.is_valid(raise_exception=True)
        data: dict[str, Any] = query.validated_data
        return data


def values_of(serializer: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """A request's body, checked."""
    body = serializer(data=request.data)
    body.is_valid(raise_exception=True)
    data: dict[str, Any] = body.validated_data
    return data


_FAR = 1_000_000  # pixels: nobody draws further out


class PositionField(serializers.ListField):
    """A place on the canvas: x and y in pixels."""

    child = serializers.FloatField(min_value=-_FAR, max_value=_FAR)

    def __init__(self, **more: Any) -> None:
        super().__init__(min_length=2, max_length=2, **more)
