"""`/api/v1/metrics`: what Prometheus scrapes, with a token like everything else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from prometheus_client import CONTENT_TYPE_LATEST
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from api.negotiation import AnyAccept
from workflows.telemetry.metrics import exposition


class MetricsResource(Closed, ViewSet):
    """Gauges of runs, tasks, queues and nodes, in Prometheus' text format."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"retrieve": ("workflows.view_dagrun",)}
    content_negotiation_class: type[BaseContentNegotiation] = AnyAccept

    @extend_schema(exclude=True)
    def retrieve(self, request: Request, **_: Any) -> HttpResponse:
        """The metrics, now."""
        return HttpResponse(exposition(), content_type=CONTENT_TYPE_LATEST)
