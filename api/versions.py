"""The versions of a DAG: immutable, numbered, exported byte for byte."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import F, QuerySet
from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from api.base import HEAVY, Resource
from api.documents import ExplainedSerializer, explained
from api.fields import Query, Record
from api.negotiation import AnyAccept
from api.pagination import Pages
from workflows.core.errors import NoVersion, UnknownDag, UnknownVersion
from workflows.engine import launch, plans, publish
from workflows.models import Dag, DagVersion

_MEDIA_TYPES = {"yaml": "application/yaml", "json": "application/json"}


class VersionSerializer(Record[DagVersion]):
    """A version, without its document."""

    dag_id = serializers.CharField(source="dag.dag_id", read_only=True)
    created_by = serializers.CharField(source="created_by.username", default=None, read_only=True)

    class Meta:
        model = DagVersion
        fields: tuple[str, ...] = (
            "id",
            "dag_id",
            "number",
            "content_hash",
            "source_format",
            "task_count",
            "note",
            "created_by",
            "created_at",
        )
        read_only_fields = fields


class VersionDetailSerializer(VersionSerializer):
    """A version with its document."""

    document = serializers.SerializerMethodField()

    class Meta(VersionSerializer.Meta):
        fields = (*VersionSerializer.Meta.fields, "document")
        read_only_fields = fields

    def get_document(self, version: DagVersion) -> dict[str, Any]:
        """The document, in the order in which it was written."""
        data: dict[str, Any] = publish.document_of(version)
        return data


class ExportQuery(Query):
    """Of an export."""

    format = serializers.ChoiceField(
        choices=[("yaml", "YAML"), ("json", "JSON")],
        required=False,
        help_text="Left out: as it was published.",
    )


class SchemaQuery(Query):
    """Of the schema of parameters."""

    version = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="Left out: the current version."
    )


class VersionResource(Resource[DagVersion]):
    """Versions by their number within a DAG."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_dagversion",),
        "retrieve": ("workflows.view_dagversion",),
        "explain": ("workflows.view_dagversion",),
        "params_schema": ("workflows.view_dag",),
    }
    queryset = DagVersion.objects.all()
    serializer_class = VersionSerializer
    pagination_class = Pages

    def list(self, request: Request, dag_id: str) -> Response:
        """The versions of a DAG, newest first."""
        if not Dag.objects.live().filter(dag_id=dag_id).exists():
            raise UnknownDag(dag_id=dag_id)
        return self.page(_of(dag_id).defer(*HEAVY))

    @extend_schema(responses=VersionDetailSerializer)
    def retrieve(self, request: Request, dag_id: str, number: int) -> Response:
        """One version with its document."""
        return Response(VersionDetailSerializer(one_version(dag_id, number, "document", "plan")).data)

    @extend_schema(operation_id="dags_versions_explain", responses=ExplainedSerializer)
    def explain(self, request: Request, dag_id: str, number: int) -> Response:
        """The plan of a version: levels, critical path, canvases, queues, message bytes."""
        return Response(explained(plans.plan_of(one_version(dag_id, number, *HEAVY).pk)))

    @extend_schema(operation_id="dags_params_schema", parameters=[SchemaQuery], responses={200: dict[str, Any]})
    def params_schema(self, request: Request, dag_id: str) -> Response:
        """JSON Schema (2020-12) of the parameters of a run, for forms.

        Templated defaults are those of a run that would start now. `x-order` is the order of the declaration, and
        `x-default-template` a default as it was written.
        """
        number = SchemaQuery.of(request).get("version")
        version = one_version(dag_id, number, *HEAVY) if number is not None else _current(dag_id)
        return Response(launch.params_schema(dag_id, version.pk))


class ExportResource(Resource[DagVersion]):
    """The document of a version as a file."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"document": ("workflows.view_dagversion",)}
    queryset = DagVersion.objects.all()
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="dags_versions_document",
        parameters=[ExportQuery],
        responses={(200, media_type): OpenApiTypes.STR for media_type in _MEDIA_TYPES.values()},
    )
    def document(self, request: Request, dag_id: str, number: int) -> HttpResponse:
        """The document as text: byte for byte as it was published, or in the other format."""
        version = one_version(dag_id, number, "document", "plan", "layout")
        chosen: Any = ExportQuery.of(request).get("format", version.source_format)
        text = publish.export(version, chosen)
        return HttpResponse(
            text.encode(),
            content_type=f"{_MEDIA_TYPES[chosen]}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{dag_id}.v{number}.{chosen}"'},
        )


def _of(dag_id: str) -> QuerySet[DagVersion]:
    rows = DagVersion.objects.filter(dag__dag_id=dag_id, dag__deleted_at__isnull=True)
    return rows.select_related("dag", "created_by").order_by("-number")


def _current(dag_id: str) -> DagVersion:
    version = _of(dag_id).defer(*HEAVY).filter(dag__current_version_id=F("pk")).first()
    if version is not None:
        return version
    if not Dag.objects.live().filter(dag_id=dag_id).exists():
        raise UnknownDag(dag_id=dag_id)
    raise NoVersion(dag_id=dag_id)


def one_version(dag_id: str, number: int, *without: str) -> DagVersion:
    """A version by its number, without some of its columns. Raises UnknownDag, UnknownVersion."""
    version = _of(dag_id).defer(*without).filter(number=number).first()
    if version is not None:
        return version
    if not Dag.objects.live().filter(dag_id=dag_id).exists():
        raise UnknownDag(dag_id=dag_id)
    raise UnknownVersion(dag_id=dag_id, number=number)
