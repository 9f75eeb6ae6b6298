"""Runs: find them, trigger them, cancel, pause and resume them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import HEAVY, Resource, heavy, user_of
from api.fields import Record, UtcDateTimeField, values_of
from api.filters import MomentFilter
from api.pagination import Keyset
from api.versions import one_version
from workflows.core.errors import IdempotencyConflict, RunIsOver, UnknownRun
from workflows.core.states import RunState
from workflows.engine import control, deletion, launch, queries
from workflows.models import DagRun

KEY_HEADER = "Idempotency-Key"
REPLAY_HEADER = "Idempotent-Replay"
_STATES = [(state.value, state.value) for state in RunState]


class RunFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What a list of runs can be narrowed to."""

    dag = django_filters.CharFilter(field_name="dag__dag_id", label="Id of the DAG")
    state = django_filters.MultipleChoiceFilter(choices=_STATES, label="Repeat it for several")
    trigger = django_filters.MultipleChoiceFilter(choices=DagRun.TRIGGERS, label="Repeat it for several")
    created_after = MomentFilter(field_name="created_at", lookup_expr="gte", label="From, inclusive")
    created_before = MomentFilter(field_name="created_at", lookup_expr="lt", label="Until, exclusive")
    external_id = django_filters.CharFilter(field_name="external_id", label="External id or Idempotency-Key")

    class Meta:
        model = DagRun
        fields: ClassVar[list[str]] = []


class RunSerializer(Record[DagRun]):
    """A run."""

    dag_id = serializers.CharField(source="dag.dag_id", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    triggered_by = serializers.CharField(source="triggered_by.username", default=None, read_only=True)
    cause_id = serializers.IntegerField(
        default=None, read_only=True, help_text="The run of another DAG whose success started this one."
    )
    backfill_id = serializers.IntegerField(default=None, read_only=True)
    parent_run_id = serializers.IntegerField(source="parent.run_id", default=None, read_only=True)
    parent_task_id = serializers.CharField(source="parent.task_id", default=None, read_only=True)

    class Meta:
        model = DagRun
        fields: tuple[str, ...] = (
            "id",
            "dag_id",
            "version",
            "state",
            "reason",
            "trigger",
            "triggered_by",
            "logical_date",
            "interval_start",
            "cause_id",
            "external_id",
            "priority",
            "params",
            "backfill_id",
            "parent_run_id",
            "parent_task_id",
            "depth",
            "created_at",
            "started_at",
            "ended_at",
            "deadline_at",
            "paused_at",
            "deleted_at",
        )
        read_only_fields = fields


class RunDeletionSerializer(serializers.Serializer[Any]):
    """What deleting a run touches."""

    run_id = serializers.IntegerField()
    children = serializers.ListField(child=serializers.IntegerField(), help_text="Runs of its sub-DAGs.")
    tasks = serializers.IntegerField()


class RunDetailSerializer(RunSerializer):
    """A run with how many of its tasks are in each state."""

    task_counts = serializers.SerializerMethodField()

    class Meta(RunSerializer.Meta):
        fields = (*RunSerializer.Meta.fields, "task_counts")
        read_only_fields = fields

    def get_task_counts(self, run: DagRun) -> dict[str, int]:
        """Task executions by state, items of mapped tasks included; states without any are left out."""
        return {state.value: count for state, count in queries.state_counts(run.pk).items()}


class KeyField(serializers.RegexField):
    """An external id: printable, so that it can travel in a header and be read in a log."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^[\x20-\x7e]+$", max_length=250, **kwargs)


class TriggerSerializer(serializers.Serializer[Any]):
    """What a new run is to work on."""

    version = serializers.IntegerField(
        required=False, allow_null=True, default=None, min_value=1, help_text="Its number; left out, the current one."
    )
    params = serializers.DictField(required=False, default=dict, help_text="Values of the DAG's parameters.")
    logical_date = UtcDateTimeField(required=False, allow_null=True, default=None)
    external_id = KeyField(
        required=False, allow_null=True, default=None, help_text="Same meaning as the header Idempotency-Key."
    )
    priority = serializers.IntegerField(
        required=False,
        allow_null=True,
        default=None,
        min_value=0,
        max_value=9,
        help_text="9 goes first; for the run, and for its tasks that have none of their own.",
    )


class KeySerializer(serializers.Serializer[Any]):
    """The header Idempotency-Key."""

    idempotency_key = KeyField()


class RunResource(Resource[DagRun]):
    """Runs by their id."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_dagrun",),
        "retrieve": ("workflows.view_dagrun",),
        "trigger": ("workflows.add_dagrun",),
        "cancel": ("workflows.change_dagrun",),
        "pause": ("workflows.change_dagrun",),
        "resume": ("workflows.change_dagrun",),
        "deletion": ("workflows.view_dagrun",),
        "destroy": ("workflows.delete_dagrun",),
        "restore": ("workflows.delete_dagrun",),
    }
    queryset = DagRun.objects.all()
    serializer_class = RunSerializer
    pagination_class = Keyset
    filterset_class = RunFilters

    def list(self, request: Request) -> Response:
        """Runs, newest first, without the deleted ones."""
        return self.page(_rows().filter(deleted_at__isnull=True))

    @extend_schema(responses=RunDetailSerializer)
    def retrieve(self, request: Request, run_id: int) -> Response:
        """One run."""
        return _shown(run_id)

    @extend_schema(
        operation_id="dags_trigger",
        request=TriggerSerializer,
        parameters=[
            OpenApiParameter(
                KEY_HEADER,
                str,
                OpenApiParameter.HEADER,
                description="The same key for the same DAG starts one run, however often it is sent.",
            )
        ],
        responses={
            201: RunDetailSerializer,
            200: OpenApiResponse(RunDetailSerializer, description=f"A replay ({REPLAY_HEADER}: true): the first run."),
        },
    )
    def trigger(self, request: Request, dag_id: str) -> Response:
        """Start a run of the DAG's current version, or of the version that is named."""
        given = values_of(TriggerSerializer, request)
        number = given["version"]
        launched = launch.launch_once(
            dag_id if number is None else one_version(dag_id, number, *HEAVY),
            params=given["params"],
            trigger="api",
            logical_date=given["logical_date"],
            external_id=_key(request, given["external_id"]),
            user=user_of(request),
            origin=launch.Origin(priority=given["priority"]),
            # A host project may wrap its requests in transactions (ATOMIC_REQUESTS).
            on_commit=transaction.get_connection().in_atomic_block,
        )
        if number not in {None, launched.run.version.number}:
            raise IdempotencyConflict(external_id=launched.run.external_id, run_id=launched.run.pk)
        where = request.build_absolute_uri(reverse("api:run", kwargs={"run_id": launched.run.pk}))
        if launched.created:
            return _shown(launched.run.pk, status.HTTP_201_CREATED, {"Location": where})
        return _shown(launched.run.pk, status.HTTP_200_OK, {"Location": where, REPLAY_HEADER: "true"})

    @extend_schema(operation_id="runs_cancel", request=None, responses=RunDetailSerializer)
    def cancel(self, request: Request, run_id: int) -> Response:
        """End the run now: what waits is cancelled, what runs is killed.

        A cancelled run may be cancelled again.
        """
        if not control.cancel_run(run_id, by=user_of(request).get_username()):
            _refuse_if_over(run_id, unless=RunState.CANCELLED)
        return _shown(run_id)

    @extend_schema(operation_id="runs_pause", request=None, responses=RunDetailSerializer)
    def pause(self, request: Request, run_id: int) -> Response:
        """Let no further task start. What runs goes on."""
        if not control.pause_run(run_id):
            _refuse_if_over(run_id)
        return _shown(run_id)

    @extend_schema(operation_id="runs_resume", request=None, responses=RunDetailSerializer)
    def resume(self, request: Request, run_id: int) -> Response:
        """Let a paused run go on."""
        if not control.resume_run(run_id):
            _refuse_if_over(run_id)
        return _shown(run_id)

    @extend_schema(operation_id="runs_deletion", responses=RunDeletionSerializer)
    def deletion(self, request: Request, run_id: int) -> Response:
        """Say what deleting the run would touch."""
        return Response(RunDeletionSerializer(deletion.preview_run(run_id)).data)

    def destroy(self, request: Request, run_id: int) -> Response:
        """Hide a run that has ended, with the runs of its sub-DAGs, until it is pruned."""
        deletion.delete_run(run_id)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="runs_restore", request=None, responses=RunDetailSerializer)
    def restore(self, request: Request, run_id: int) -> Response:
        """Show a deleted run again."""
        deletion.restore_run(run_id)
        return _shown(run_id)


def _key(request: Request, external_id: str | None) -> str | None:
    """The idempotency key, from the header (in quotes or not: the draft standard has them) or the body."""
    header = request.headers.get(KEY_HEADER)
    if header is None:
        return external_id
    if len(header) > 2 and header[0] == header[-1] == '"':
        header = header[1:-1]
    checked = KeySerializer(data={"idempotency_key": header})
    checked.is_valid(raise_exception=True)
    key: str = checked.validated_data["idempotency_key"]
    if external_id is not None and external_id != key:
        message = f"Differs from the header {KEY_HEADER}: give one of them, or the same in both."
        raise serializers.ValidationError({"external_id": message})
    return key


def _rows() -> QuerySet[DagRun]:
    related = DagRun.objects.select_related("dag", "version", "triggered_by", "parent")
    return related.defer(*heavy("version"), "parent__output", "parent__message")


def found_run(run_id: int) -> DagRun:
    """A run with what its serializers show. Raises UnknownRun."""
    run = _rows().filter(pk=run_id).first()
    if run is None:
        raise UnknownRun(run_id=run_id)
    return run


def _shown(run_id: int, code: int = status.HTTP_200_OK, headers: Mapping[str, str] | None = None) -> Response:
    return Response(RunDetailSerializer(found_run(run_id)).data, status=code, headers=dict(headers or {}))


def _refuse_if_over(run_id: int, *, unless: RunState | None = None) -> None:
    run = DagRun.objects.only("state", "ended_at").get(pk=run_id)
    if run.ended_at is not None and run.state != unless:
        raise RunIsOver(run_id=run_id, state=run.state)
