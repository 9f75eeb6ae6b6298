"""What changed between two versions of a DAG."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from api.fields import Query
from workflows.core.diff import Difference
from workflows.engine import compare


class FieldChangeSerializer(serializers.Serializer[Any]):
    """A field with another value; null is also none at all."""

    path = serializers.CharField(help_text="Keys joined by dots, and [indexes].")
    old = serializers.JSONField(allow_null=True)
    new = serializers.JSONField(allow_null=True)


class TaskChangeSerializer(serializers.Serializer[Any]):
    """A task that both have, with what differs once defaults and shorthands are worked out."""

    id = serializers.CharField()
    changes = FieldChangeSerializer(many=True)


class DifferenceSerializer(serializers.Serializer[Difference]):
    """What changed between two documents."""

    summary = serializers.CharField(help_text="In a few words: `2 tasks added, 1 changed`.")
    same = serializers.BooleanField()
    added = serializers.ListField(child=serializers.CharField(), help_text="Ids of tasks.")
    removed = serializers.ListField(child=serializers.CharField())
    changed = TaskChangeSerializer(many=True)
    settings = FieldChangeSerializer(many=True, help_text="Of the DAG itself: params, schedule, config, …")
    text = serializers.CharField(help_text="A unified diff of both documents, with their keys in one order.")
    too_long = serializers.BooleanField(help_text="Too many lines differ for `text`.")


class ComparedSerializer(serializers.Serializer[Any]):
    """Two versions beside each other."""

    old = serializers.IntegerField(help_text="Number of a version; 0 when there was none before.")
    new = serializers.IntegerField()
    difference = DifferenceSerializer()


class CompareQuery(Query):
    """Of a comparison."""

    old = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="Default: the one before."
    )
    new = serializers.IntegerField(
        required=False, min_value=1, max_value=2**31 - 1, help_text="Default: the current version."
    )


class DifferenceResource(Closed, ViewSet):
    """Reads only."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"compare": ("workflows.view_dagversion",)}

    @extend_schema(operation_id="dags_diff", parameters=[CompareQuery], responses=ComparedSerializer)
    def compare(self, request: Request, dag_id: str) -> Response:
        """What changed between two versions of a DAG: task by task, and as text."""
        given = CompareQuery.of(request)
        return Response(ComparedSerializer(compare.versions(dag_id, given.get("old"), given.get("new"))).data)
