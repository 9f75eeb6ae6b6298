"""What a task can be: the task types, with the JSON Schema of their parameters for forms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.helpers import forced_singular_serializer
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from workflows.core.schema import task_type_schema
from workflows.operators import registry
from workflows.operators.base import OperatorType


class TaskTypeSerializer(serializers.Serializer[Any]):
    """A task type."""

    name = serializers.CharField()
    title = serializers.CharField()
    description = serializers.CharField()
    icon = serializers.CharField(help_text="Name of a lucide icon.")
    parameters = serializers.DictField(help_text="JSON Schema.")


class TaskTypesSerializer(serializers.Serializer[Any]):
    """Every task type."""

    results = TaskTypeSerializer(many=True)


class TaskTypeResource(Closed, ViewSet):
    """Task types by name. They are code, not rows: there are few, and they change with a restart."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_dag",),
        "retrieve": ("workflows.view_dag",),
    }

    @extend_schema(operation_id="task_types_list", responses=forced_singular_serializer(TaskTypesSerializer))  # type: ignore[no-untyped-call]
    def list(self, request: Request) -> Response:
        """Every task type of this installation."""
        return Response({"results": [_shown(found) for found in registry.types().values()]})

    @extend_schema(operation_id="task_types_retrieve", responses=TaskTypeSerializer)
    def retrieve(self, request: Request, name: str) -> Response:
        """One task type."""
        found = registry.types().get(name)
        if found is None:
            raise Http404
        return Response(_shown(found))


def _shown(found: OperatorType) -> dict[str, Any]:
    return {
        "name": found.name,
        "title": found.title,
        "description": found.description,
        "icon": found.icon,
        "parameters": task_type_schema(found.parameters),
    }
