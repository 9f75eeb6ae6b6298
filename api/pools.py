"""Node pools. Read only: the admin changes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import Resource
from api.fields import Record
from api.pagination import Pages
from workflows.conf import conf
from workflows.models import NodePool


class PoolSerializer(Record[NodePool]):
    """A node pool and the queue behind it."""

    queue = serializers.SerializerMethodField()

    class Meta:
        model = NodePool
        fields = ("name", "description", "queue", "created_at")
        read_only_fields = fields

    def get_queue(self, pool: NodePool) -> str:
        """Where its workers listen."""
        queue: str = conf.queue_of(pool.name)
        return queue


class PoolResource(Resource[NodePool]):
    """Pools by name."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_nodepool",),
        "retrieve": ("workflows.view_nodepool",),
    }
    queryset = NodePool.objects.order_by("name")
    serializer_class = PoolSerializer
    pagination_class = Pages

    def list(self, request: Request) -> Response:
        """Pools by name."""
        return self.page(self.get_queryset())

    def retrieve(self, request: Request, name: str) -> Response:
        """One pool."""
        return Response(PoolSerializer(get_object_or_404(NodePool, name=name)).data)
