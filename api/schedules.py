"""Schedules: what a DAG's says, when it runs next, and when a given one would."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api import errors
from api.closed import Closed
from api.documents import ProblemSerializer
from api.fields import Query, UtcDateTimeField, values_of
from workflows.core.errors import UnknownDag
from workflows.core.spec import ScheduleSpec
from workflows.engine import schedules
from workflows.models import Dag, Schedule


class UpcomingSerializer(serializers.Serializer[Any]):
    """One run to come."""

    logical_date = UtcDateTimeField(help_text="In UTC.")
    local = serializers.CharField(help_text="The same on the clocks of the schedule's zone, with their offset.")
    starts_at = UtcDateTimeField(help_text="With the delay that `jitter` makes.")
    interval_start = UtcDateTimeField()


class ScheduleSerializer(serializers.Serializer[Any]):
    """The schedule of a DAG."""

    dag_id = serializers.CharField()
    spec = serializers.DictField(help_text="The document's `schedule`, as it was resolved.")
    words = serializers.CharField()
    paused = serializers.BooleanField()
    cursor = UtcDateTimeField(allow_null=True, help_text="Every date up to here has been dealt with.")
    next_at = UtcDateTimeField(allow_null=True)
    message = serializers.CharField(help_text="About the last times that got no run.")
    upcoming = UpcomingSerializer(many=True)


class CountQuery(Query):
    """How many runs to tell."""

    count = serializers.IntegerField(required=False, default=5, min_value=1, max_value=100)


class PreviewSerializer(serializers.Serializer[Any]):
    """A schedule that is not stored, or not yet."""

    schedule = serializers.JSONField(allow_null=True, help_text="What a document says under `schedule`.")
    count = serializers.IntegerField(required=False, default=5, min_value=1, max_value=100)
    after = UtcDateTimeField(required=False, allow_null=True, default=None, help_text="From here on; now if left out.")


class PreviewedSerializer(serializers.Serializer[Any]):
    """The next runs, or what is wrong."""

    valid = serializers.BooleanField()
    problems = ProblemSerializer(many=True)
    words = serializers.CharField()
    upcoming = UpcomingSerializer(many=True)


class ScheduleResource(Closed, ViewSet):
    """Schedules."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "retrieve": ("workflows.view_dag",),
        "preview": ("workflows.view_dag",),
    }
    queryset = Schedule.objects.all()

    @extend_schema(
        operation_id="dags_schedule",
        parameters=[CountQuery],
        responses=ScheduleSerializer,
    )
    def retrieve(self, request: Request, dag_id: str) -> Response:
        """The schedule of a DAG with its next runs; 404 `no_schedule` when it has none."""
        count = CountQuery.of(request)["count"]
        dag = Dag.objects.live().filter(dag_id=dag_id).first()
        if dag is None:
            raise UnknownDag(dag_id=dag_id)
        row = schedules.of_dag(dag)
        spec = schedules.spec_of(row)
        shown = {
            "dag_id": dag_id,
            "spec": row.spec,
            "words": schedules.words(spec),
            "paused": dag.paused_at is not None,
            "cursor": row.cursor,
            "next_at": row.next_at,
            "message": row.message,
            "upcoming": _upcoming(spec, dag_id, count, row.cursor),
        }
        return Response(ScheduleSerializer(shown).data)

    @extend_schema(operation_id="schedules_preview", request=PreviewSerializer, responses=PreviewedSerializer)
    def preview(self, request: Request) -> Response:
        """When a given schedule would run, or every problem of it; always 200, stores nothing."""
        given = values_of(PreviewSerializer, request)
        spec, problems = schedules.read(given["schedule"])
        shown: dict[str, Any] = {
            "valid": spec is not None,
            "problems": errors.rows(problems),
            "words": "",
            "upcoming": [],
        }
        if spec is not None:
            shown["words"] = schedules.words(spec)
            shown["upcoming"] = _upcoming(spec, "", given["count"], given["after"])
        return Response(PreviewedSerializer(shown).data)


def _upcoming(spec: ScheduleSpec, dag_id: str, count: int, after: Any) -> list[dict[str, Any]]:
    return [
        {
            "logical_date": each.logical_date,
            "local": each.local.isoformat(),
            "starts_at": each.starts_at,
            "interval_start": each.interval_start,
        }
        for each in schedules.upcoming(spec, dag_id, count=count, after=after)
    ]
