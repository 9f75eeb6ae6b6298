"""Documents that are not stored: check them, explain their plan; and the JSON Schema that they follow."""

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
from api.fields import ExactTextField, values_of
from workflows.conf import conf
from workflows.core import compiler, formats
from workflows.core.errors import InvalidDocument, Problem
from workflows.core.parse import Parsed
from workflows.core.plan import Plan
from workflows.core.schema import document_schema
from workflows.engine import publish
from workflows.operators import registry


class GivenDocumentSerializer(serializers.Serializer[Any]):
    """A document as data (`document`), or as text (`source`, kept to the byte; `format` if known)."""

    document = serializers.DictField(required=False, help_text="The document as a JSON object.")
    source = ExactTextField(  # type: ignore[assignment]
        required=False, help_text="The document as YAML or JSON text."
    )
    format = serializers.ChoiceField(
        choices=[("yaml", "YAML"), ("json", "JSON")],
        required=False,
        help_text="Of `source`; guessed if left out.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """Exactly one of the two forms."""
        if ("document" in attrs) == ("source" in attrs):
            raise serializers.ValidationError("Give either `document` or `source`.", code="one_of")
        if "document" in attrs and "format" in attrs:
            raise serializers.ValidationError({"format": "Goes with `source` only."}, code="one_of")
        return attrs


class ConvertSerializer(GivenDocumentSerializer):
    """A document, and the format to write it in."""

    to = serializers.ChoiceField(
        choices=[("yaml", "YAML"), ("json", "JSON")], required=False, help_text="Left out: as it was given."
    )


class ConvertedSerializer(serializers.Serializer[Any]):
    """A document in both of its forms."""

    document = serializers.DictField()
    source = serializers.CharField(  # type: ignore[assignment]
        help_text="Byte for byte as it was given, if the format stays."
    )
    format = serializers.ChoiceField(choices=[("yaml", "YAML"), ("json", "JSON")])
    content_hash = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """One thing that is wrong with a document or a request."""

    code = serializers.CharField(help_text="Stable, lower_snake_case.")
    path = serializers.CharField(help_text="Where: keys joined by dots, and [indexes].")
    message = serializers.CharField()
    tasks = serializers.ListField(child=serializers.CharField())
    line = serializers.IntegerField(allow_null=True)
    column = serializers.IntegerField(allow_null=True)


class CheckedSerializer(serializers.Serializer[Any]):
    """What checking a document found."""

    valid = serializers.BooleanField()
    problems = ProblemSerializer(many=True)


class SegmentSerializer(serializers.Serializer[Any]):
    """A piece of the plan that is sent as one canvas."""

    kind = serializers.ChoiceField(choices=["task", "chain", "chord"])
    canvas = serializers.CharField(help_text="As text: `a`, `a > b` or `chord([a, b > c]) > join`.")
    chains = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    body = serializers.CharField(allow_null=True)
    bytes = serializers.IntegerField(help_text="Upper bound of its largest message.")
    pools = serializers.ListField(child=serializers.CharField())
    queues = serializers.ListField(child=serializers.CharField())


class ExplainedSerializer(serializers.Serializer[Any]):
    """What the compiler made of a document."""

    dag_id = serializers.CharField()
    tasks = serializers.IntegerField()
    edges = serializers.IntegerField()
    levels = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    critical_path = serializers.ListField(child=serializers.CharField())
    kinds = serializers.DictField(child=serializers.IntegerField(), help_text="How many segments of each kind.")
    segments = SegmentSerializer(many=True)
    largest_message = serializers.IntegerField(help_text="Upper bound of the largest message of all.")


def explained(plan: Plan) -> dict[str, Any]:
    """A plan as data."""
    data = compiler.explain(plan)
    for segment in data["segments"]:
        segment["canvas"] = _canvas(segment["chains"], segment["body"])
        segment["queues"] = [conf.queue_of(pool) for pool in segment["pools"]]
    largest = max((segment["bytes"] for segment in data["segments"]), default=0)
    return {"dag_id": plan.dag_id, **data, "largest_message": largest}


def _canvas(chains: list[list[str]], body: str | None) -> str:
    texts = [" > ".join(chain) for chain in chains]
    return texts[0] if body is None else f"chord([{', '.join(texts)}]) > {body}"


def check(given: Mapping[str, Any]) -> Parsed:
    """The checks of `GivenDocumentSerializer`'s document."""
    return publish.check(source_of(given), format=given.get("format"))


def source_of(given: Mapping[str, Any]) -> str | dict[str, Any]:
    """The document in the form in which it was given."""
    source: str | dict[str, Any] = given["source"] if "source" in given else dict(given["document"])
    return source


class DocumentResource(Closed, ViewSet):
    """Nothing here stores anything."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "validate": ("workflows.view_dag",),
        "explain": ("workflows.view_dag",),
        "convert": ("workflows.view_dag",),
        "json_schema": ("workflows.view_dag",),
    }

    @extend_schema(operation_id="documents_validate", request=GivenDocumentSerializer, responses=CheckedSerializer)
    def validate(self, request: Request) -> Response:
        """Check a document without storing it: every problem at once, with its place. Always 200."""
        parsed = check(values_of(GivenDocumentSerializer, request))
        valid = parsed.spec is not None and not parsed.problems
        return Response({"valid": valid, "problems": errors.rows(parsed.problems)})

    @extend_schema(operation_id="documents_convert", request=ConvertSerializer, responses=ConvertedSerializer)
    def convert(self, request: Request) -> Response:
        """A document as data, as text, and its content hash. It has to be readable; it need not be valid."""
        given = values_of(ConvertSerializer, request)
        source, wanted = source_of(given), given.get("to")
        text, used = publish.text_of(source, given.get("format"))
        data = formats.load(text, format=used, max_bytes=conf.MAX_DOCUMENT_BYTES).data
        if not isinstance(data, dict):
            raise InvalidDocument((Problem(code="wrong_type", path="", message="must be a mapping"),))
        chosen = wanted or used
        return Response(
            {
                "document": data,
                "source": text if chosen == used and isinstance(source, str) else formats.dump(data, chosen),
                "format": chosen,
                "content_hash": formats.content_hash(data),
            }
        )

    @extend_schema(operation_id="documents_explain", request=GivenDocumentSerializer, responses=ExplainedSerializer)
    def explain(self, request: Request) -> Response:
        """The plan of a document, not stored: levels, critical path, canvases, queues, message bytes."""
        parsed = check(values_of(GivenDocumentSerializer, request))
        if parsed.spec is None or parsed.problems:
            raise InvalidDocument(parsed.problems)
        return Response(explained(compiler.compile_plan(parsed.spec, publish.bounds())))

    @extend_schema(operation_id="documents_schema", responses={200: dict[str, Any]})
    def json_schema(self, request: Request) -> Response:
        """The JSON Schema of a document, for editors."""
        return Response(document_schema(registry.catalogue_types()))
