"""Webhooks: start a run by a signed request; make and end the secret that signs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, ClassVar

from django.db import transaction
from django.urls import reverse
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import serializers, status
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from api.fields import values_of
from api.parsers import BodyTooLarge
from api.runs import KEY_HEADER, REPLAY_HEADER
from workflows.core.errors import BadSignature, StaleSignature
from workflows.engine import hooks, launch
from workflows.models import Dag

TIMESTAMP, DELIVERY, SIGNATURE = "X-Celeriac-Timestamp", "X-Celeriac-Delivery", "X-Celeriac-Signature"
MAX_BYTES = 1_000_000


class HookSignature(BaseAuthentication):
    """A signature over the body is the whole proof: there is no user."""

    def authenticate(self, request: Request) -> tuple[None, hooks.Delivery]:
        """Check it before anything of the body is read as JSON."""
        body = request._request.body
        if len(body) > MAX_BYTES:
            raise BodyTooLarge
        header = request.headers.get
        given = hooks.Delivery(
            timestamp=header(TIMESTAMP, ""),
            id=header(DELIVERY) or header(KEY_HEADER) or "",
            signature=header(SIGNATURE, ""),
            body=body,
        )
        try:
            hooks.verify(request.parser_context["kwargs"]["dag_id"], given, time.time())
        except (BadSignature, StaleSignature) as error:
            raise AuthenticationFailed(str(error)) from error
        return None, given

    def authenticate_header(self, request: Request) -> str:
        """What a 401 asks for."""
        return "Celeriac-Signature"


class HookScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """The signature, in the OpenAPI description."""

    target_class = HookSignature
    name = "hookSignature"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """A header."""
        return {"type": "apiKey", "in": "header", "name": SIGNATURE}


class Signed(BasePermission):
    """Only what `HookSignature` let in."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        """Default deny."""
        return isinstance(request.auth, hooks.Delivery)


class HookRunSerializer(serializers.Serializer[Any]):
    """The run that a delivery started."""

    id = serializers.IntegerField()
    dag_id = serializers.CharField()
    external_id = serializers.CharField()
    state = serializers.CharField()


def _header(name: str, words: str, *, required: bool = False) -> OpenApiParameter:
    return OpenApiParameter(name, str, OpenApiParameter.HEADER, required=required, description=words)


class HookResource(Closed, ViewSet):
    """Runs started by webhook."""

    authentication_classes = (HookSignature,)
    permission_classes = (Signed,)

    @extend_schema(
        operation_id="hooks_receive",
        request={"application/json": {"type": "object", "additionalProperties": True}},
        parameters=[
            _header(TIMESTAMP, "Seconds since 1970, when it was signed.", required=True),
            _header(SIGNATURE, "v1= and the hex HMAC-SHA256 of timestamp.delivery.body.", required=True),
            _header(DELIVERY, "The sender's id of the delivery; Idempotency-Key means the same."),
        ],
        responses={
            201: HookRunSerializer,
            200: OpenApiResponse(HookRunSerializer, description=f"A replay ({REPLAY_HEADER}: true): the first run."),
        },
    )
    def receive(self, request: Request, dag_id: str) -> Response:
        """Start a run with the body as its parameters. The same delivery starts one run, however often it comes."""
        params, delivery = request.data, _delivery(request)
        if not isinstance(params, dict):
            raise serializers.ValidationError("Send a JSON object: the parameters of the run.")
        launched = launch.launch_once(
            dag_id,
            params=params,
            trigger="webhook",
            external_id=delivery.external_id,
            on_commit=transaction.get_connection().in_atomic_block,
        )
        run = launched.run
        answer = {"id": run.pk, "dag_id": dag_id, "external_id": run.external_id, "state": run.state}
        if launched.created:
            return Response(answer, status=status.HTTP_201_CREATED)
        return Response(answer, headers={REPLAY_HEADER: "true"})


def _delivery(request: Request) -> hooks.Delivery:
    found: Any = request.auth
    assert isinstance(found, hooks.Delivery), "the permission has seen to it"
    return found


class OpenHookSerializer(serializers.Serializer[Any]):
    """How to make a secret."""

    keep = serializers.BooleanField(
        required=False, default=False, help_text="Let the secret before this one count until the next change."
    )


class HookSecretSerializer(serializers.Serializer[Any]):
    """Where to send to, and the secret that signs. It is shown this once."""

    url = serializers.CharField()
    secret = serializers.CharField()


class HookSecretResource(Closed, ViewSet):
    """The webhook of a DAG."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "open": ("workflows.change_dag", "workflows.add_dagrun"),
        "close": ("workflows.change_dag",),
    }
    queryset = Dag.objects.live()

    @extend_schema(operation_id="dags_hook_open", request=OpenHookSerializer, responses={201: HookSecretSerializer})
    def open(self, request: Request, dag_id: str) -> Response:
        """Let runs be started by webhook, with a new secret."""
        given = values_of(OpenHookSerializer, request)
        secret = hooks.open_hook(dag_id, keep=given["keep"])
        url = request.build_absolute_uri(reverse("api:hook", kwargs={"dag_id": dag_id}))
        answer = Response({"url": url, "secret": secret}, status=status.HTTP_201_CREATED)
        answer["Cache-Control"] = "no-store"
        return answer

    @extend_schema(operation_id="dags_hook_close", request=None, responses={204: None})
    def close(self, request: Request, dag_id: str) -> Response:
        """Let no run be started by webhook any more."""
        hooks.close_hook(dag_id)
        return Response(status=status.HTTP_204_NO_CONTENT)
