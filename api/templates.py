"""Templates: store them, and generate DAGs from them: to look at, to compare, to publish."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.db.models import Count, Q, QuerySet
from django.urls import reverse
from drf_spectacular.utils import OpenApiResponse, extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from api import errors
from api.base import Resource, user_of
from api.dags import DagDetailSerializer, shown
from api.differences import DifferenceSerializer
from api.documents import CheckedSerializer, GivenDocumentSerializer, ProblemSerializer, source_of
from api.fields import Query, Record, values_of
from api.pagination import Pages
from workflows.core.params_schema import json_schema
from workflows.engine import templates
from workflows.models import DagTemplate, DagVersion


class TemplateSerializer(Record[DagTemplate]):
    """A template, without its document."""

    dag_count = serializers.IntegerField(read_only=True, help_text="DAGs made from it.")

    class Meta:
        model = DagTemplate
        fields: tuple[str, ...] = (
            "name",
            "title",
            "description",
            "content_hash",
            "source_format",
            "dag_count",
            "created_at",
            "updated_at",
        )
        read_only_fields = fields


class MadeSerializer(serializers.Serializer[Any]):
    """A DAG made from a template."""

    dag_id = serializers.CharField()
    version = serializers.IntegerField(source="current_version.number", default=None)
    values = serializers.JSONField(source="template_values")


class TemplateDetailSerializer(TemplateSerializer):
    """A template with its text, what it takes, and what was made from it."""

    values_schema = serializers.SerializerMethodField()
    dags = serializers.SerializerMethodField()

    class Meta(TemplateSerializer.Meta):
        fields = (*TemplateSerializer.Meta.fields, "source", "values_schema", "dags")
        read_only_fields = fields

    @extend_schema_field({"type": "object", "additionalProperties": True})
    def get_values_schema(self, row: DagTemplate) -> dict[str, Any]:
        """JSON Schema of the values that it takes, for forms."""
        return json_schema(templates.opened(row).params, title=row.title or row.name, templated=False)

    @extend_schema_field(MadeSerializer(many=True))
    def get_dags(self, row: DagTemplate) -> Any:
        """The first 200, by id."""
        return MadeSerializer(templates.made_from(row)[:200], many=True).data


class GenerateSerializer(serializers.Serializer[Any]):
    """What to generate."""

    values = serializers.DictField(required=False, default=dict, help_text="By the names of the template's `params`.")
    dag_id = serializers.CharField(required=False, max_length=200, help_text="Default: the id that the template gives.")


class PublishGeneratedSerializer(GenerateSerializer):
    """What to generate and publish."""

    adopt = serializers.BooleanField(required=False, default=False, help_text="Take over a DAG of another origin.")
    note = serializers.CharField(required=False, default="", allow_blank=True, max_length=500)


class DraftSerializer(serializers.Serializer[Any]):
    """What would be published."""

    valid = serializers.BooleanField()
    problems = ProblemSerializer(many=True)
    dag_id = serializers.CharField()
    version = serializers.IntegerField(allow_null=True, help_text="The current one of the DAG that has the id.")
    unchanged = serializers.BooleanField(help_text="Publishing would leave the DAG at its version.")
    adopts = serializers.BooleanField(help_text="The DAG that has the id was not made from this template.")
    document = serializers.DictField(allow_null=True)
    source = serializers.CharField(help_text="The document as YAML.")  # type: ignore[assignment]


class DraftDifferenceSerializer(serializers.Serializer[Any]):
    """What would change."""

    dag_id = serializers.CharField()
    version = serializers.IntegerField(allow_null=True)
    difference = DifferenceSerializer()


class RegenerateSerializer(serializers.Serializer[Any]):
    """Whether to do it or to say what it would do."""

    preview = serializers.BooleanField(required=False, default=False)


class RegeneratedSerializer(serializers.Serializer[Any]):
    """What became, or would become, of a DAG."""

    dag_id = serializers.CharField()
    state = serializers.ChoiceField(choices=["unchanged", "changed", "failed"])
    version = serializers.IntegerField(allow_null=True, help_text="In a preview the one from which it would change.")
    message = serializers.CharField()
    problems = ProblemSerializer(many=True)
    difference = DifferenceSerializer()


class RegenerationSerializer(serializers.Serializer[Any]):
    """Every DAG of a template."""

    results = RegeneratedSerializer(many=True)


class DeleteQuery(Query):
    """Of a deletion."""

    leave_dags = serializers.BooleanField(required=False, default=False, help_text="Also when DAGs were made from it.")


_STORED = {
    201: TemplateDetailSerializer,
    200: OpenApiResponse(TemplateDetailSerializer, description="It replaced the template of that name."),
}
_GENERATED = {
    201: DagDetailSerializer,
    200: OpenApiResponse(DagDetailSerializer, description="This content was published before."),
}
_PUBLISH = ("workflows.view_dagtemplate", "workflows.add_dagversion", "workflows.change_dag")


class TemplateResource(Resource[DagTemplate]):
    """Templates by their name."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "list": ("workflows.view_dagtemplate",),
        "retrieve": ("workflows.view_dagtemplate", "workflows.view_dag"),
        "create": ("workflows.add_dagtemplate", "workflows.change_dagtemplate"),
        "validate": ("workflows.view_dagtemplate",),
        "destroy": ("workflows.delete_dagtemplate",),
        "preview": ("workflows.view_dagtemplate", "workflows.view_dag"),
        "diff": ("workflows.view_dagtemplate", "workflows.view_dagversion"),
        "generate": _PUBLISH,
        "regenerate": (*_PUBLISH, "workflows.view_dagversion"),
    }
    queryset = DagTemplate.objects.all()
    serializer_class = TemplateSerializer
    pagination_class = Pages
    lookup_field = "name"

    def list(self, request: Request) -> Response:
        """Templates by name."""
        return self.page(_counted().defer("document", "source"))

    @extend_schema(responses=TemplateDetailSerializer)
    def retrieve(self, request: Request, name: str) -> Response:
        """One template."""
        return self._shown(name)

    @extend_schema(operation_id="templates_store", request=GivenDocumentSerializer, responses=_STORED)
    def create(self, request: Request) -> Response:
        """Store a template, or replace the one of that name. The DAGs made from it stay as they are."""
        given = values_of(GivenDocumentSerializer, request)
        saved = templates.save(source_of(given), format=given.get("format"))
        return self._shown(saved.row.name, status.HTTP_201_CREATED if saved.created else status.HTTP_200_OK)

    @extend_schema(operation_id="templates_validate", request=GivenDocumentSerializer, responses=CheckedSerializer)
    def validate(self, request: Request) -> Response:
        """Check a template without storing it: every problem at once, with its place. Always 200."""
        given = values_of(GivenDocumentSerializer, request)
        read = templates.check(source_of(given), format=given.get("format"))
        return Response({"valid": read.template is not None, "problems": errors.rows(read.problems)})

    @extend_schema(parameters=[DeleteQuery], responses={204: None})
    def destroy(self, request: Request, name: str) -> Response:
        """Remove a template. The DAGs made from it stay as they are."""
        templates.delete(name, leave_dags=DeleteQuery.of(request)["leave_dags"])
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(operation_id="templates_preview", request=GenerateSerializer, responses=DraftSerializer)
    def preview(self, request: Request, name: str) -> Response:
        """The document that values make, with every problem; publishes nothing. Always 200."""
        made = self._draft(request, name)
        facts = {field: getattr(made, field) for field in ("dag_id", "version", "unchanged", "adopts", "document")}
        problems = errors.rows(made.problems)
        return Response({"valid": not problems, "problems": problems, **facts, "source": made.text})

    @extend_schema(operation_id="templates_diff", request=GenerateSerializer, responses=DraftDifferenceSerializer)
    def diff(self, request: Request, name: str) -> Response:
        """What publishing would change in the DAG that has the id; publishes nothing."""
        made = self._draft(request, name)
        made.insist()
        return Response(DraftDifferenceSerializer(made).data)

    @extend_schema(operation_id="templates_generate", request=PublishGeneratedSerializer, responses=_GENERATED)
    def generate(self, request: Request, name: str) -> Response:
        """Generate a DAG and publish it."""
        given = values_of(PublishGeneratedSerializer, request)
        newest = DagVersion.objects.order_by("-id").values_list("id", flat=True).first() or 0
        version = templates.generate(
            name,
            given["values"],
            dag_id=given.get("dag_id"),
            adopt=given["adopt"],
            note=given["note"],
            user=user_of(request),
        )
        where = request.build_absolute_uri(reverse("api:dag", kwargs={"dag_id": version.dag.dag_id}))
        if version.pk > newest:
            return shown(version.dag.dag_id, status.HTTP_201_CREATED, {"Location": where})
        return shown(version.dag.dag_id)

    @extend_schema(operation_id="templates_regenerate", request=RegenerateSerializer, responses=RegenerationSerializer)
    def regenerate(self, request: Request, name: str) -> Response:
        """Generate all its DAGs again, each with its own values; one that fails stops no other.

        With `preview` nothing is published.
        """
        given = values_of(RegenerateSerializer, request)
        done = templates.regenerate(name, preview=given["preview"], user=user_of(request))
        return Response(RegenerationSerializer({"results": done}).data)

    def _draft(self, request: Request, name: str) -> templates.Draft:
        given = values_of(GenerateSerializer, request)
        return templates.draft(name, given["values"], dag_id=given.get("dag_id"))

    def _shown(self, name: str, code: int = status.HTTP_200_OK) -> Response:
        templates.find(name)
        return Response(TemplateDetailSerializer(_counted().get(name=name)).data, status=code)


def _counted() -> QuerySet[DagTemplate]:
    live = Count("dags", filter=Q(dags__deleted_at__isnull=True))
    return DagTemplate.objects.annotate(dag_count=live).order_by("name")
