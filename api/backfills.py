"""Backfills: preview and start them, follow them, pause, resume, cancel and retry them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import django_filters
from django.db.models import QuerySet
from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import Resource, user_of
from api.fields import Record, UtcDateTimeField, values_of
from api.pagination import Keyset
from workflows.core.durations import parse_duration
from workflows.core.errors import UnknownBackfill
from workflows.engine import backfill
from workflows.engine.backfill import Progress, Wanted
from workflows.engine.backfill.dates import dag_of, zone_of
from workflows.models import Backfill, BackfillDate

_DATE = "A date (`2025-01-31`) or a moment in ISO 8601; without an offset in the zone of the DAG's schedule, or UTC."


def _of(choices: Sequence[tuple[str, object]]) -> str:
    return f"One of {', '.join(name for name, _ in choices)}."


class BackfillFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What a list of backfills can be narrowed to."""

    dag = django_filters.CharFilter(field_name="dag__dag_id", label="Id of the DAG")
    state = django_filters.MultipleChoiceFilter(choices=Backfill.STATES, label="Repeat it for several")

    class Meta:
        model = Backfill
        fields: ClassVar[list[str]] = []


class ProgressSerializer(serializers.Serializer[Any]):
    """How many dates stand how."""

    total = serializers.IntegerField()
    waiting = serializers.IntegerField()
    running = serializers.IntegerField()
    success = serializers.IntegerField()
    failed = serializers.IntegerField()
    cancelled = serializers.IntegerField()
    refused = serializers.IntegerField(help_text="No run could be made: the parameters do not fit any more.")
    skipped = serializers.IntegerField(help_text="The run of a DAG before it did not succeed.")


class BackfillSerializer(Record[Backfill]):
    """A backfill with its progress."""

    dag_id = serializers.CharField(source="dag.dag_id", read_only=True)
    state = serializers.CharField(read_only=True, help_text=_of(Backfill.STATES))
    which = serializers.CharField(read_only=True)
    parent_id = serializers.IntegerField(read_only=True, allow_null=True)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)
    progress = ProgressSerializer(read_only=True)

    class Meta:
        model = Backfill
        fields: tuple[str, ...] = (
            "id",
            "dag_id",
            "state",
            "start",
            "end",
            "every",
            "which",
            "newest_first",
            "concurrency",
            "params",
            "downstream",
            "parent_id",
            "message",
            "progress",
            "created_by",
            "created_at",
            "ended_at",
        )
        read_only_fields = fields


class WantedSerializer(serializers.Serializer[Any]):
    """What a backfill is to do."""

    dag_id = serializers.CharField(max_length=200)
    start = serializers.CharField(max_length=64, help_text=_DATE)
    end = serializers.CharField(max_length=64, help_text=f"Inclusive. {_DATE} A date alone means its whole day.")
    every = serializers.CharField(
        max_length=64,
        required=False,
        allow_null=True,
        default=None,
        help_text='From date to date ("1d", "6h"), instead of the DAG\'s schedule.',
    )
    which = serializers.ChoiceField(
        choices=[(name, name) for name, _ in Backfill.WHICH],
        required=False,
        default="missing",
        help_text="missing: neither a success nor a run that goes on; failed: runs that all failed; all: every date.",
    )
    newest_first = serializers.BooleanField(required=False, default=False)
    concurrency = serializers.IntegerField(required=False, default=1, min_value=1, max_value=1000)
    params = serializers.DictField(required=False, default=dict)
    downstream = serializers.BooleanField(required=False, default=False)

    def validate_every(self, text: str | None) -> float | None:
        """Seconds."""
        try:
            return None if text is None else parse_duration(text)
        except ValueError as error:
            raise serializers.ValidationError(str(error)) from error


class PreviewSerializer(serializers.Serializer[Any]):
    """What a backfill would do."""

    dag_id = serializers.CharField()
    in_range = serializers.IntegerField()
    stands = serializers.DictField(child=serializers.IntegerField(), help_text="Dates of the range by how they stand.")
    chosen = serializers.IntegerField()
    first = serializers.ListField(child=UtcDateTimeField(), help_text="The first 20 that would start, in order.")
    last = UtcDateTimeField(allow_null=True)
    subdags = serializers.ListField(child=serializers.CharField())
    downstream = serializers.ListField(child=serializers.CharField())


class CancelSerializer(serializers.Serializer[Any]):
    """How to cancel."""

    runs = serializers.BooleanField(required=False, default=False, help_text="Cancel the runs that go on, too.")


class RetriedSerializer(BackfillSerializer):
    """A backfill, and how many of its dates are to be run again."""

    retried = serializers.IntegerField(read_only=True)

    class Meta(BackfillSerializer.Meta):
        fields = (*BackfillSerializer.Meta.fields, "retried")
        read_only_fields = fields


class BackfillDateSerializer(Record[BackfillDate]):
    """One date of a backfill."""

    state = serializers.CharField(read_only=True, help_text=_of(BackfillDate.STATES))
    run_id = serializers.IntegerField(read_only=True, allow_null=True)
    run_state = serializers.CharField(source="run.state", default=None, read_only=True)

    class Meta:
        model = BackfillDate
        fields = ("id", "logical_date", "state", "run_id", "run_state", "message")
        read_only_fields = fields


class BackfillResource(Resource[Backfill]):
    """Backfills by their id."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_backfill",),
        "retrieve": ("workflows.view_backfill",),
        "preview": ("workflows.view_backfill", "workflows.view_dagrun"),
        "create": ("workflows.add_backfill", "workflows.add_dagrun"),
        "pause": ("workflows.change_backfill",),
        "resume": ("workflows.change_backfill",),
        "cancel": ("workflows.change_backfill", "workflows.change_dagrun"),
        "retry": ("workflows.change_backfill", "workflows.add_dagrun"),
    }
    queryset = Backfill.objects.all()
    serializer_class = BackfillSerializer
    pagination_class = Keyset
    filterset_class = BackfillFilters

    def list(self, request: Request) -> Response:
        """Backfills, newest first."""
        found = self.paginate_queryset(self.filter_queryset(_rows()))
        assert found is not None, "every list is paginated"
        return self.get_paginated_response(self.get_serializer(with_progress(found), many=True).data)

    def retrieve(self, request: Request, backfill_id: int) -> Response:
        """One backfill."""
        return _shown(backfill_id)

    @extend_schema(operation_id="backfills_preview", request=WantedSerializer, responses=PreviewSerializer)
    def preview(self, request: Request) -> Response:
        """Say what a backfill would do. Stores nothing."""
        return Response(PreviewSerializer(backfill.preview(_wanted(request))).data)

    @extend_schema(request=WantedSerializer, responses={201: BackfillSerializer})
    def create(self, request: Request) -> Response:
        """Start a backfill. The reconciler starts its runs."""
        row = backfill.start(_wanted(request), user=user_of(request))
        where = request.build_absolute_uri(reverse("api:backfill", kwargs={"backfill_id": row.pk}))
        return _shown(row.pk, status.HTTP_201_CREATED, {"Location": where})

    @extend_schema(operation_id="backfills_pause", request=None, responses=BackfillSerializer)
    def pause(self, request: Request, backfill_id: int) -> Response:
        """Start no further run. What has started goes on."""
        backfill.pause(backfill_id)
        return _shown(backfill_id)

    @extend_schema(operation_id="backfills_resume", request=None, responses=BackfillSerializer)
    def resume(self, request: Request, backfill_id: int) -> Response:
        """Go on."""
        backfill.resume(backfill_id)
        return _shown(backfill_id)

    @extend_schema(operation_id="backfills_cancel", request=CancelSerializer, responses=BackfillSerializer)
    def cancel(self, request: Request, backfill_id: int) -> Response:
        """Start no further run, for good. A cancelled backfill may be cancelled again, with its runs."""
        given = values_of(CancelSerializer, request)
        backfill.cancel(backfill_id, runs=given["runs"], by=user_of(request).get_username())
        return _shown(backfill_id)

    @extend_schema(operation_id="backfills_retry", request=None, responses=RetriedSerializer)
    def retry(self, request: Request, backfill_id: int) -> Response:
        """Run every date again that ended without success. A backfill that is over goes on."""
        count = backfill.retry(backfill_id)
        row = _found(backfill_id)
        row.retried = count  # type: ignore[attr-defined]
        return Response(RetriedSerializer(row).data)


class BackfillDateResource(Resource[BackfillDate]):
    """The dates of a backfill."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"list": ("workflows.view_backfill",)}
    queryset = BackfillDate.objects.all()
    serializer_class = BackfillDateSerializer
    pagination_class = Keyset

    @extend_schema(operation_id="backfills_dates")
    def list(self, request: Request, backfill_id: int) -> Response:
        """The dates, with the runs that stand for them."""
        _found(backfill_id)
        rows = BackfillDate.objects.filter(backfill_id=backfill_id).select_related("run")
        return self.page(rows.only("logical_date", "state", "message", "run__state"))


def _wanted(request: Request) -> Wanted:
    given = values_of(WantedSerializer, request)
    zone = zone_of(dag_of(given["dag_id"]))
    return Wanted(
        **{
            **given,
            "start": backfill.moment_of(given["start"], zone),
            "end": backfill.moment_of(given["end"], zone, last=True),
        }
    )


def _rows() -> QuerySet[Backfill]:
    return Backfill.objects.select_related("dag", "created_by")


def with_progress(rows: Sequence[Backfill]) -> Sequence[Backfill]:
    """The backfills with `progress`, from one query."""
    found = backfill.progress_of(row.pk for row in rows)
    for row in rows:
        row.progress = _counts(found[row.pk])  # type: ignore[attr-defined]
    return rows


def _counts(progress: Progress) -> dict[str, int]:
    return {name: getattr(progress, name) for name in (*Progress.__dataclass_fields__, "total")}


def _found(backfill_id: int) -> Backfill:
    row = _rows().filter(pk=backfill_id).first()
    if row is None:
        raise UnknownBackfill(backfill_id=backfill_id)
    return with_progress([row])[0]


def _shown(backfill_id: int, code: int = status.HTTP_200_OK, headers: Mapping[str, str] | None = None) -> Response:
    return Response(BackfillSerializer(_found(backfill_id)).data, status=code, headers=dict(headers or {}))
