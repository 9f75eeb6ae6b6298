"""DAGs: find them, publish their versions, pause and resume them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import django_filters
from django.db import transaction
from django.db.models import OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import JSONObject
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import Resource, heavy, user_of
from api.documents import GivenDocumentSerializer, source_of
from api.fields import PositionField, Query, Record, values_of
from api.pagination import Pages
from workflows.core.errors import InvalidDocument, Problem, UnknownDag
from workflows.engine import control, deletion, launch, publish
from workflows.models import Dag, DagRun, DagVersion

_ORDERINGS = ("dag_id", "name", "owner", "created_at", "updated_at")


class DagFilters(django_filters.FilterSet):  # type: ignore[misc]
    """What a list of DAGs can be narrowed to, and sorted by."""

    tag = django_filters.CharFilter(method="with_tag", label="Has this tag; repeat it for several")
    owner = django_filters.CharFilter(field_name="owner", label="Has exactly this owner")
    paused = django_filters.BooleanFilter(field_name="paused_at", lookup_expr="isnull", exclude=True, label="Paused")
    search = django_filters.CharFilter(method="containing", label="In the id, name or description")
    ordering = django_filters.OrderingFilter(fields=[(name, name) for name in _ORDERINGS])

    class Meta:
        model = Dag
        fields: ClassVar[list[str]] = []

    def with_tag(self, rows: QuerySet[Dag], name: str, value: str) -> QuerySet[Dag]:
        """DAGs that have every given tag."""
        return rows.filter(tags__contains=self.data.getlist(name))

    def containing(self, rows: QuerySet[Dag], name: str, value: str) -> QuerySet[Dag]:
        """DAGs with the text in what people call them."""
        return rows.filter(Q(dag_id__icontains=value) | Q(name__icontains=value) | Q(description__icontains=value))


class LastRunSerializer(serializers.Serializer[Any]):
    """The newest run of a DAG."""

    id = serializers.IntegerField()
    state = serializers.CharField()


class DagSerializer(Record[Dag]):
    """A DAG."""

    paused = serializers.SerializerMethodField()
    current_version = serializers.IntegerField(source="current_version.number", default=None, read_only=True)
    task_count = serializers.IntegerField(source="current_version.task_count", default=None, read_only=True)
    last_run = serializers.SerializerMethodField()

    class Meta:
        model = Dag
        fields: tuple[str, ...] = (
            "dag_id",
            "name",
            "description",
            "owner",
            "tags",
            "paused",
            "paused_at",
            "current_version",
            "task_count",
            "last_run",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields

    def get_paused(self, dag: Dag) -> bool:
        """Whether new runs are refused."""
        return dag.paused_at is not None

    @extend_schema_field(LastRunSerializer(allow_null=True))
    def get_last_run(self, dag: Dag) -> dict[str, Any] | None:
        """From the list's one query (`with_last_run`)."""
        found: dict[str, Any] | None = getattr(dag, "last_run", None)
        return found


class DagDetailSerializer(DagSerializer):
    """A DAG with the JSON Schema of its parameters, for launch forms, and the template that it was made from."""

    params_schema = serializers.SerializerMethodField()
    template = serializers.CharField(source="template.name", default=None, read_only=True)
    template_values = serializers.JSONField(read_only=True, allow_null=True)

    class Meta(DagSerializer.Meta):
        fields = (*DagSerializer.Meta.fields, "params_schema", "template", "template_values")
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": True, "nullable": True})
    def get_params_schema(self, dag: Dag) -> dict[str, Any] | None:
        """Of the current version, with the defaults that a run would have that started now."""
        return None if dag.current_version is None else launch.params_schema(dag.dag_id, dag.current_version.pk)


class PublishSerializer(GivenDocumentSerializer):
    """A document to publish."""

    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)
    base = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=2**31 - 1,
        help_text="The version that the author began with (0: none): 409 `version_conflict` when another is current.",
    )
    layout = serializers.DictField(
        child=PositionField(), required=False, help_text="Where the designer shows the tasks: id to [x, y]."
    )


class DagDeletionSerializer(serializers.Serializer[Any]):
    """What deleting a DAG touches."""

    dag_id = serializers.CharField()
    runs = serializers.IntegerField(help_text="All of them: kept until they are pruned.")
    unfinished = serializers.ListField(child=serializers.IntegerField(), help_text="Would have to be cancelled.")
    backfills = serializers.ListField(child=serializers.IntegerField(), help_text="Would be cancelled.")
    has_schedule = serializers.BooleanField(help_text="Would stop.")
    used_by = serializers.ListField(child=serializers.CharField(), help_text="DAGs that run it, or run after it.")


class DeleteQuery(Query):
    """How to delete a DAG."""

    cancel_runs = serializers.BooleanField(
        required=False, default=False, help_text="Cancel its unfinished runs, instead of refusing."
    )


_PUBLISHED = {
    201: DagDetailSerializer,
    200: OpenApiResponse(DagDetailSerializer, description="This content was published before."),
}


def with_last_run(rows: QuerySet[Dag]) -> QuerySet[Dag]:
    """DAGs with `last_run`, from the index (dag, -id)."""
    newest = DagRun.objects.live().filter(dag=OuterRef("pk")).order_by("-id")
    return rows.annotate(last_run=Subquery(newest.values(data=JSONObject(id="id", state="state"))[:1]))


class DagResource(Resource[Dag]):
    """DAGs by their `dag_id`."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_dag",),
        "retrieve": ("workflows.view_dag",),
        "create": ("workflows.add_dagversion", "workflows.change_dag"),
        "partial_update": ("workflows.add_dagversion", "workflows.change_dag"),
        "pause": ("workflows.change_dag",),
        "resume": ("workflows.change_dag",),
        "deletion": ("workflows.view_dag", "workflows.view_dagrun"),
        "destroy": ("workflows.delete_dag",),
        "restore": ("workflows.delete_dag",),
    }
    queryset = Dag.objects.live()
    serializer_class = DagSerializer
    pagination_class = Pages
    filterset_class = DagFilters
    lookup_field = "dag_id"

    def list(self, request: Request) -> Response:
        """DAGs, by id unless another order is asked for."""
        rows = with_last_run(Dag.objects.live().select_related("current_version"))
        return self.page(rows.defer(*heavy("current_version")))

    @extend_schema(responses=DagDetailSerializer)
    def retrieve(self, request: Request, dag_id: str) -> Response:
        """One DAG."""
        return shown(dag_id)

    @extend_schema(operation_id="dags_publish", request=PublishSerializer, responses=_PUBLISHED)
    def create(self, request: Request) -> Response:
        """Publish a document: a new DAG, or a new version of the one that it names.

        The same content is the same version.
        """
        return self._published(request)

    @extend_schema(operation_id="dags_publish_version", request=PublishSerializer, responses=_PUBLISHED)
    def partial_update(self, request: Request, dag_id: str) -> Response:
        """Publish a new version of this DAG. The document must name it."""
        if not Dag.objects.live().filter(dag_id=dag_id).exists():
            raise UnknownDag(dag_id=dag_id)
        return self._published(request, expect=dag_id)

    @extend_schema(operation_id="dags_pause", request=None, responses=DagDetailSerializer)
    def pause(self, request: Request, dag_id: str) -> Response:
        """Refuse new runs until the DAG is resumed. What runs goes on."""
        control.pause_dag(dag_id)
        return shown(dag_id)

    @extend_schema(operation_id="dags_resume", request=None, responses=DagDetailSerializer)
    def resume(self, request: Request, dag_id: str) -> Response:
        """Allow new runs again."""
        control.resume_dag(dag_id)
        return shown(dag_id)

    @extend_schema(operation_id="dags_deletion", responses=DagDeletionSerializer)
    def deletion(self, request: Request, dag_id: str) -> Response:
        """Say what deleting the DAG would touch."""
        return Response(DagDeletionSerializer(deletion.preview_dag(dag_id)).data)

    @extend_schema(parameters=[DeleteQuery])
    def destroy(self, request: Request, dag_id: str) -> Response:
        """Take the DAG out of use. Its versions and runs stay until they are pruned."""
        cancel = DeleteQuery.of(request)["cancel_runs"]
        needed = "workflows.change_dagrun"
        if cancel and not user_of(request).has_perm(needed):  # type: ignore[attr-defined]
            raise PermissionDenied(f"Cancelling runs needs {needed}.")
        deletion.delete_dag(dag_id, cancel_runs=cancel, by=user_of(request).get_username())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="dags_restore", request=None, responses=DagDetailSerializer)
    def restore(self, request: Request, dag_id: str) -> Response:
        """Bring a deleted DAG back, with its versions and what is left of its runs."""
        deletion.restore_dag(dag_id)
        return shown(dag_id)

    def _published(self, request: Request, expect: str | None = None) -> Response:
        given = values_of(PublishSerializer, request)
        newest = DagVersion.objects.order_by("-id").values_list("id", flat=True).first() or 0
        with transaction.atomic():
            version = publish.publish(
                source_of(given),
                format=given.get("format"),
                note=given["note"],
                user=user_of(request),
                base=given.get("base"),
                layout=given.get("layout"),
            )
            if expect is not None and version.dag.dag_id != expect:
                raise _other_dag(version.dag.dag_id, expect)
        where = reverse("api:dag", kwargs={"dag_id": version.dag.dag_id})
        is_new = version.pk > newest
        return shown(
            version.dag.dag_id,
            status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
            {"Location": request.build_absolute_uri(where)} if is_new else {},
        )


def shown(dag_id: str, code: int = status.HTTP_200_OK, headers: Mapping[str, str] | None = None) -> Response:
    """One DAG as an answer."""
    rows = with_last_run(Dag.objects.live().select_related("current_version", "template"))
    dag = rows.filter(dag_id=dag_id).defer(*heavy("current_version"), "template__document", "template__source").first()
    if dag is None:
        raise UnknownDag(dag_id=dag_id)
    return Response(DagDetailSerializer(dag).data, status=code, headers=dict(headers or {}))


def _other_dag(found: str, expected: str) -> InvalidDocument:
    message = f"is {found!r}, but the request is for the DAG {expected!r}"
    return InvalidDocument((Problem(code="id_mismatch", path="id", message=message),))
