"""Nodes: the workers that registered themselves. Read only."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

import django_filters
from django.db.models import BooleanField, Case, Q, QuerySet, Value, When
from django.db.models.functions import Now
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import Resource
from api.fields import Record
from api.pagination import Pages
from workflows.conf import conf
from workflows.models import Node


class NodeFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What a list of nodes can be narrowed to."""

    alive = django_filters.BooleanFilter(field_name="alive", label="Heard of within a lease, and not stopped")

    class Meta:
        model = Node
        fields: ClassVar[list[str]] = []


class NodeSerializer(Record[Node]):
    """One worker process, as it last reported itself."""

    alive = serializers.BooleanField(read_only=True)

    class Meta:
        model = Node
        fields = (
            "name",
            "hostname",
            "pid",
            "queues",
            "concurrency",
            "software",
            "running",
            "alive",
            "started_at",
            "heartbeat_at",
            "stopped_at",
            "took_at",
            "stalled_at",
        )
        read_only_fields = fields


class NodeResource(Resource[Node]):
    """Nodes by name."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_node",),
        "retrieve": ("workflows.view_node",),
    }
    queryset = Node.objects.all()
    serializer_class = NodeSerializer
    pagination_class = Pages
    filterset_class = NodeFilters

    def list(self, request: Request) -> Response:
        """Nodes by name."""
        return self.page(_rows())

    def retrieve(self, request: Request, name: str) -> Response:
        """One node."""
        return Response(NodeSerializer(get_object_or_404(_rows(), name=name)).data)


def _rows() -> QuerySet[Node]:
    """Nodes with `alive`, by PostgreSQL's clock: the one that wrote the heartbeats."""
    heard = Q(stopped_at__isnull=True, heartbeat_at__gte=Now() - timedelta(seconds=conf.LEASE_SECONDS))
    alive = Case(When(heard, then=Value(True)), default=Value(False), output_field=BooleanField())
    return Node.objects.annotate(alive=alive).order_by("name")
