"""Node pools: their limits and what they have to do. The admin and `pool_create` make them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import Resource
from api.fields import Record, values_of
from api.pagination import Pages
from workflows.conf import conf
from workflows.core.errors import UnknownPool
from workflows.engine import pools
from workflows.engine.pools import Load
from workflows.models import NodePool


class PoolSerializer(Record[NodePool]):
    """A node pool, the queue behind it, and what that has now. Needs the loads as context."""

    queue = serializers.SerializerMethodField()
    used = serializers.SerializerMethodField()
    running = serializers.SerializerMethodField()
    queued = serializers.SerializerMethodField()
    waiting = serializers.SerializerMethodField()

    class Meta:
        model = NodePool
        fields = ("name", "description", "queue", "slots", "used", "running", "queued", "waiting", "created_at")
        read_only_fields = fields

    def _load(self, pool: NodePool) -> Load:
        return pools.load_of(pool.name, self.context["loads"])

    def get_queue(self, pool: NodePool) -> str:
        """Where its workers listen."""
        queue: str = conf.queue_of(pool.name)
        return queue

    def get_used(self, pool: NodePool) -> int | None:
        """Slots that its tasks hold; null where there is no limit."""
        return None if pool.slots is None else self._load(pool).used

    def get_running(self, pool: NodePool) -> int:
        """Tasks that run."""
        return self._load(pool).running

    def get_queued(self, pool: NodePool) -> int:
        """Tasks that wait for a worker."""
        return self._load(pool).queued

    def get_waiting(self, pool: NodePool) -> int:
        """Tasks that wait until a limit, of the pool or of their run, has room."""
        return self._load(pool).waiting


class LimitSerializer(serializers.Serializer[Any]):
    """The limit of a pool."""

    slots = serializers.IntegerField(
        min_value=0,
        max_value=pools.MOST_SLOTS,
        allow_null=True,
        help_text="How many slots its tasks may hold at one time, over all runs; null for no limit.",
    )


class PoolResource(Resource[NodePool]):
    """Pools by name."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_nodepool",),
        "retrieve": ("workflows.view_nodepool",),
        "partial_update": ("workflows.change_nodepool",),
    }
    queryset = NodePool.objects.order_by("name")
    serializer_class = PoolSerializer
    pagination_class = Pages

    def get_serializer_context(self) -> dict[str, Any]:
        """With what each queue has, asked once."""
        return {**super().get_serializer_context(), "loads": getattr(self, "loads", {})}

    def list(self, request: Request) -> Response:
        """Pools by name."""
        self.loads = pools.loads()
        return self.page(self.get_queryset())

    def retrieve(self, request: Request, name: str) -> Response:
        """One pool."""
        return _shown(name)

    @extend_schema(request=LimitSerializer, responses=PoolSerializer)
    def partial_update(self, request: Request, name: str) -> Response:
        """Set its limit. What runs counts at once and is not stopped; what waits is let go as far as it fits."""
        pools.limit(name, values_of(LimitSerializer, request)["slots"])
        return _shown(name)


def _shown(name: str) -> Response:
    pool = NodePool.objects.filter(name=name).first()
    if pool is None:
        raise UnknownPool(name=name)
    return Response(PoolSerializer(pool, context={"loads": pools.loads()}).data)
