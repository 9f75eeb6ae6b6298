"""What the views of runs are drawn from: snapshot, grid, estimate."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.base import heavy
from api.closed import Closed
from api.fields import MAX_INT, Query, UtcDateTimeField
from api.runs import RunDetailSerializer, found_run
from workflows.core.errors import UnknownDag
from workflows.core.states import RunState, TaskState
from workflows.engine import phrases, pictures
from workflows.models import Dag, DagRun

_TASK_STATES = [(state.value, state.value.replace("_", " ")) for state in TaskState]
_RUN_STATES = [(state.value, state.value.replace("_", " ")) for state in RunState]


class BarSerializer(serializers.Serializer[Any]):
    """An attempt before the current one."""

    number = serializers.IntegerField()
    started_at = UtcDateTimeField()
    ended_at = UtcDateTimeField(allow_null=True)
    end = serializers.CharField()


class TaskPictureSerializer(serializers.Serializer[Any]):
    """One task of a run."""

    id = serializers.IntegerField(help_text="Of the task execution; 0 while the run waits for its start.")
    task_id = serializers.CharField()
    name = serializers.CharField()
    type = serializers.CharField()
    pool = serializers.CharField()
    upstream = serializers.ListField(child=serializers.IntegerField(), help_text="Places in this list.")
    mapped = serializers.BooleanField()
    items = serializers.DictField(child=serializers.IntegerField(), help_text="Of a mapped task: items by state.")
    state = serializers.ChoiceField(choices=_TASK_STATES)
    reason = serializers.CharField()
    message = serializers.CharField(help_text="Its beginning.")
    attempt = serializers.IntegerField()
    held = serializers.BooleanField()
    waiting_on = serializers.IntegerField()
    node = serializers.CharField()
    queued_at = UtcDateTimeField(allow_null=True)
    started_at = UtcDateTimeField(allow_null=True)
    ended_at = UtcDateTimeField(allow_null=True)
    next_attempt_at = UtcDateTimeField(allow_null=True)
    earlier = BarSerializer(many=True)


class SnapshotSerializer(serializers.Serializer[Any]):
    """A run, its tasks, and where to follow its events from."""

    run = RunDetailSerializer()
    tasks = TaskPictureSerializer(many=True)
    cursor = serializers.IntegerField(help_text="Pass it as `since` to the events: nothing is missed.")
    now = UtcDateTimeField(help_text="By PostgreSQL's clock.")


class EstimateSerializer(serializers.Serializer[Any]):
    """How long successful runs took, in seconds."""

    runs = serializers.IntegerField(help_text=f"How many it is made of, at most {pictures.LAST_RUNS}.")
    p50 = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)
    tasks = serializers.DictField(child=serializers.FloatField(), help_text="The median of each task.")


class GridQuery(Query):
    """Which runs."""

    runs = serializers.IntegerField(required=False, default=20, min_value=1, max_value=100)
    before = serializers.IntegerField(
        required=False, default=MAX_INT, min_value=1, max_value=MAX_INT, help_text="Runs older than this one."
    )


class GridRunSerializer(serializers.Serializer[Any]):
    """One run of a grid."""

    id = serializers.IntegerField()
    state = serializers.ChoiceField(choices=_RUN_STATES)
    version = serializers.IntegerField()
    trigger = serializers.CharField()
    logical_date = UtcDateTimeField(allow_null=True)
    created_at = UtcDateTimeField()
    started_at = UtcDateTimeField(allow_null=True)
    ended_at = UtcDateTimeField(allow_null=True)
    cells = serializers.ListField(
        child=serializers.CharField(allow_null=True), help_text="State of each task, null where the run has it not."
    )


class GridSerializer(serializers.Serializer[Any]):
    """Runs of a DAG, newest first, beside each other."""

    dag_id = serializers.CharField()
    tasks = serializers.ListField(child=serializers.CharField())
    runs = GridRunSerializer(many=True)


class PictureResource(Closed, ViewSet):
    """Runs, for drawing."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = dict.fromkeys(
        ("snapshot", "estimate", "grid"), ("workflows.view_dagrun", "workflows.view_taskexecution")
    )

    @extend_schema(operation_id="runs_snapshot", responses=SnapshotSerializer)
    def snapshot(self, request: Request, run_id: int) -> Response:
        """A run with all its tasks in the order of the plan, and where to follow its events from."""
        run = found_run(run_id)
        picture = pictures.run_picture(run_id, run.version_id)
        # Read again: what the picture shows of the tasks shall not be ahead of the run.
        told = {text: phrases.said(text) for text in {task.message for task in picture.tasks}}
        tasks = [replace(task, message=told[task.message]) for task in picture.tasks]
        data = {"run": found_run(run_id), "tasks": tasks, "cursor": picture.cursor, "now": picture.now}
        return Response(SnapshotSerializer(data).data)

    @extend_schema(operation_id="runs_estimate", responses=EstimateSerializer)
    def estimate(self, request: Request, run_id: int) -> Response:
        """How long the DAG's last successful runs took, and their tasks."""
        return Response(EstimateSerializer(pictures.estimate(found_run(run_id).dag_id, run_id)).data)

    @extend_schema(operation_id="dags_grid", parameters=[GridQuery], responses=GridSerializer)
    def grid(self, request: Request, dag_id: str) -> Response:
        """The states of all tasks in the last runs. Of a large DAG there are fewer runs than were asked for."""
        asked = GridQuery.of(request)
        dag = (
            Dag.objects.live()
            .select_related("current_version")
            .defer(*heavy("current_version"))
            .filter(dag_id=dag_id)
            .first()
        )
        if dag is None:
            raise UnknownDag(dag_id=dag_id)
        size = dag.current_version.task_count if dag.current_version else 1
        most = max(1, min(asked["runs"], pictures.CELLS // max(1, size)))
        rows = DagRun.objects.live().select_related("version").defer(*heavy("version"))
        runs = list(rows.filter(dag=dag, pk__lt=asked["before"]).order_by("-pk")[:most])
        tasks, cells = pictures.grid({run.pk: run.version_id for run in runs})
        return Response(
            GridSerializer(
                {"dag_id": dag_id, "tasks": tasks, "runs": [_grid_run(run, cells[run.pk]) for run in runs]}
            ).data
        )


def _grid_run(run: DagRun, cells: list[str | None]) -> dict[str, Any]:
    names = ("id", "state", "trigger", "logical_date", "created_at", "started_at", "ended_at")
    return {**{name: getattr(run, name) for name in names}, "version": run.version.number, "cells": cells}
