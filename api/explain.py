"""Why a run, or one of its tasks, is not running: the gates on its way, in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import Resource
from api.fields import UtcDateTimeField
from api.tasks import TaskQuery
from workflows.engine import phrases
from workflows.engine.explain import Explanation, Verdict, explain_run, explain_task
from workflows.models import DagRun


class GateSerializer(serializers.Serializer[Any]):
    """One condition on the way to a worker."""

    name = serializers.CharField()
    verdict = serializers.ChoiceField(choices=[(word.value, word.value) for word in Verdict])
    says = serializers.CharField()
    data = serializers.DictField(help_text="The facts behind the sentence; which ones depends on the gate.")  # type: ignore[assignment]


class ExplanationSerializer(serializers.Serializer[Any]):
    """Every gate in order; `says` is the answer in one sentence, that of the gate `blocked_by`.

    Sentences are in the language that the request asks for.
    """

    run_id = serializers.IntegerField()
    task_id = serializers.CharField(help_text="Empty for the run itself.")
    map_index = serializers.IntegerField()
    state = serializers.CharField()
    at = UtcDateTimeField()
    says = serializers.CharField()
    blocked_by = serializers.CharField(allow_null=True)
    gates = GateSerializer(many=True)


class ExplainResource(Resource[DagRun]):
    """Explanations of runs and tasks."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "run": ("workflows.view_dagrun", "workflows.view_taskexecution"),
        "task": ("workflows.view_taskexecution",),
    }
    queryset = DagRun.objects.none()
    serializer_class = ExplanationSerializer

    @extend_schema(operation_id="runs_explain", responses=ExplanationSerializer, filters=False)
    def run(self, request: Request, run_id: int) -> Response:
        """Why the run, or its tasks, do not go on."""
        return _answer(explain_run(run_id))

    @extend_schema(
        operation_id="runs_tasks_explain", parameters=[TaskQuery], responses=ExplanationSerializer, filters=False
    )
    def task(self, request: Request, run_id: int, task_id: str) -> Response:
        """Why the task does not run. For a queued task the broker is asked."""
        return _answer(explain_task(run_id, task_id, TaskQuery.of(request)["map_index"]))


def _answer(found: Explanation) -> Response:
    blocked = found.blocked
    data = {**asdict(found), "says": phrases.said(found.says), "blocked_by": blocked.name if blocked else None}
    data["gates"] = [{**gate, "says": phrases.said(gate["says"])} for gate in data["gates"]]
    return Response(ExplanationSerializer(data).data)
