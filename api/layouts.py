"""Where the designer shows the tasks of a version."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from api.fields import PositionField, values_of
from api.versions import one_version
from workflows.engine import layouts


class LayoutSerializer(serializers.Serializer[Any]):
    """Where tasks are shown."""

    positions = serializers.DictField(child=PositionField(), help_text="By task id: [x, y].")


class LayoutResource(Closed, ViewSet):
    """The layout of one version. The version stays what it is: a layout is no part of its content."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "retrieve": ("workflows.view_dagversion",),
        "update": ("workflows.add_dagversion", "workflows.change_dag"),
    }

    @extend_schema(operation_id="dags_versions_layout", responses=LayoutSerializer)
    def retrieve(self, request: Request, dag_id: str, number: int) -> Response:
        """Where the tasks of a version are shown; tasks that nobody placed are missing."""
        return _shown(dag_id, number)

    @extend_schema(operation_id="dags_versions_set_layout", request=LayoutSerializer, responses=LayoutSerializer)
    def update(self, request: Request, dag_id: str, number: int) -> Response:
        """Keep where the tasks are shown. Tasks that the version does not have are left out."""
        given = values_of(LayoutSerializer, request)
        layouts.keep(one_version(dag_id, number, "document", "source"), given["positions"])
        return _shown(dag_id, number)


def _shown(dag_id: str, number: int) -> Response:
    return Response({"positions": layouts.of(one_version(dag_id, number, "document", "source", "plan"))})
