"""What a task gets: its parameters as they are rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from api.logs import AttemptQuery
from api.tasks import execution
from workflows.engine import phrases
from workflows.engine.inputs import inputs_of


class InputsSerializer(serializers.Serializer[Any]):
    """Parameters of a task."""

    written = serializers.DictField(help_text="As in the document.")
    rendered = serializers.DictField(
        allow_null=True, help_text="With what the run was given and what the upstreams have given up to now."
    )
    later = serializers.ListField(
        child=serializers.CharField(),
        help_text="Parameters with statements in them, which only a worker renders: they are not in `rendered`.",
    )
    problem = serializers.CharField(help_text="Why they cannot be rendered, if they cannot.")


class InputsResource(Closed, ViewSet):
    """Inputs of one task execution."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "retrieve": ("workflows.view_taskexecution", "workflows.view_dagrun")
    }

    @extend_schema(operation_id="runs_tasks_inputs", parameters=[AttemptQuery], responses=InputsSerializer)
    def retrieve(self, request: Request, run_id: int, task_id: str) -> Response:
        """The parameters of a task, rendered now as a worker would render them. They are not kept when it runs."""
        asked = AttemptQuery.of(request)
        task = execution(run_id, task_id, asked["map_index"], "output")
        found = inputs_of(task, asked.get("attempt", max(1, task.attempt)))
        return Response(InputsSerializer(replace(found, problem=phrases.said(found.problem))).data)
