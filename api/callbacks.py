"""Callbacks: who was told of what, and what became of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import django_filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import Resource
from api.fields import Record
from api.pagination import Keyset
from workflows.core.errors import UnknownCallback
from workflows.engine import callbacks
from workflows.models import Callback


class CallbackFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What a list of callbacks can be narrowed to."""

    state = django_filters.MultipleChoiceFilter(choices=Callback.STATES, label="Repeat it for several")
    dag = django_filters.CharFilter(field_name="run__dag__dag_id", label="Id of the DAG")
    run = django_filters.NumberFilter(field_name="run_id", label="Number of the run")

    class Meta:
        model = Callback
        fields: ClassVar[list[str]] = []


class CallbackSerializer(Record[Callback]):
    """A callback, without the headers and the query of its address, which may be secrets."""

    dag_id = serializers.CharField(source="payload.dag.id", read_only=True)
    event = serializers.CharField(source="payload.event", read_only=True)
    to = serializers.CharField(source="address", read_only=True)
    payload = serializers.DictField(read_only=True)

    class Meta:
        model = Callback
        fields: tuple[str, ...] = (
            "id",
            "event_id",
            "event",
            "dag_id",
            "run_id",
            "task_id",
            "kind",
            "to",
            "state",
            "tries",
            "next_try_at",
            "message",
            "created_at",
            "sent_at",
            "payload",
        )
        read_only_fields = fields


class CallbackResource(Resource[Callback]):
    """Callbacks by their number."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_callback",),
        "retrieve": ("workflows.view_callback",),
        "resend": ("workflows.change_callback",),
    }
    queryset = Callback.objects.all()
    serializer_class = CallbackSerializer
    pagination_class = Keyset
    filterset_class = CallbackFilters

    def list(self, request: Request) -> Response:
        """Callbacks, newest first."""
        return self.page(Callback.objects.all())

    def retrieve(self, request: Request, callback_id: int) -> Response:
        """One callback."""
        return Response(CallbackSerializer(one(callback_id)).data)

    @extend_schema(operation_id="callbacks_resend", request=None, responses=CallbackSerializer)
    def resend(self, request: Request, callback_id: int) -> Response:
        """Send it (again), with all its tries. The reconciler does it, within a sweep."""
        callbacks.resend(callback_id)
        return Response(CallbackSerializer(one(callback_id)).data)


def one(callback_id: int) -> Callback:
    """A callback. Raises UnknownCallback."""
    found = Callback.objects.filter(pk=callback_id).first()
    if found is None:
        raise UnknownCallback(callback_id=callback_id)
    return found
