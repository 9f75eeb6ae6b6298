"""What happened in a run, in order, for those who follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from http import HTTPStatus
from typing import Any, ClassVar

from django.core.handlers.asgi import ASGIRequest
from django.db import connection
from django.http import HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.utils.translation import gettext_lazy as _
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.exceptions import APIException, NotAcceptable
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api import feed
from api.closed import Closed
from api.fields import MAX_INT, Query, UtcDateTimeField
from api.pagination import whole_number
from api.permissions import may_still
from workflows.core.errors import UnknownRun
from workflows.core.states import RUN_FINAL, RunState
from workflows.engine import queries
from workflows.engine.following import Followed
from workflows.engine.queries import EventRow
from workflows.models import DagRun, Event

STREAM = "text/event-stream"
LAST_ID = "Last-Event-ID"


class EventSerializer(serializers.Serializer[Any]):
    """One transition of the run (`task_id` is then empty) or of a task."""

    seq = serializers.IntegerField()
    id = serializers.IntegerField()
    task_execution_id = serializers.IntegerField(allow_null=True)
    task_id = serializers.CharField()
    attempt = serializers.IntegerField()
    old = serializers.CharField()
    new = serializers.CharField()
    reason = serializers.CharField()
    message = serializers.CharField()
    node = serializers.CharField()
    at = UtcDateTimeField()


@extend_schema_serializer(many=False)
class EventsSerializer(serializers.Serializer[Any]):
    """Events since a sequence number."""

    events = EventSerializer(many=True)
    next_since = serializers.IntegerField(help_text="Pass it as `since` to go on.")
    run_state = serializers.ChoiceField(
        choices=[(state.value, state.value.replace("_", " ")) for state in RunState],
        help_text="Now, which may be ahead of the events.",
    )


class EventQuery(Query):
    """From where, and how many."""

    since = serializers.IntegerField(required=False, default=0, min_value=0, max_value=MAX_INT)
    limit = serializers.IntegerField(
        required=False,
        default=500,
        min_value=1,
        max_value=2000,
        help_text="One transaction's events share a number and come together, in a longer page if need be.",
    )


class EventStream(BaseRenderer):
    """Lets a client ask for a stream; what is sent then is not rendered by REST framework."""

    media_type = STREAM
    format = "stream"
    charset = None

    def render(self, data: Any, *args: Any, **kwargs: Any) -> bytes:
        """Nothing comes here: streams and problems are whole responses."""
        return b""


class TooManyStreams(APIException):
    """Every stream that this process, or this user, may have open is: poll, or try again."""

    status_code = HTTPStatus.SERVICE_UNAVAILABLE
    default_code = "too_many_streams"
    default_detail = _("Too many event streams are open here: ask without a stream, or try again.")
    wait = 30


class EventResource(Closed, ViewSet):
    """Events of one run."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"list": ("workflows.view_event",)}
    renderer_classes: Any = [JSONRenderer, EventStream]

    @extend_schema(
        operation_id="runs_events",
        parameters=[
            EventQuery,
            OpenApiParameter(
                LAST_ID,
                OpenApiTypes.INT64,
                OpenApiParameter.HEADER,
                description="Of a stream: goes before `since`. Browsers send it when they connect again.",
            ),
        ],
        responses={(200, "application/json"): EventsSerializer, (200, STREAM): OpenApiTypes.STR, 204: None},
    )
    def list(self, request: Request, run_id: int) -> HttpResponseBase:
        """Events after `since`, in order: none is missed and none is told twice.

        The last event of the run itself says how it ended. Asked for as `text/event-stream`, the answer stays open, and
        each message is what a page is otherwise, with `next_since` as its id; that needs an ASGI server. It ends soon
        after the run; asked for again, when there is nothing more to tell, the answer is 204: a browser asks no more.
        """
        asked = EventQuery.of(request)
        state = DagRun.objects.filter(pk=run_id).values_list("state", flat=True).first()
        if state is None:
            raise UnknownRun(run_id=run_id)
        if getattr(request.accepted_renderer, "media_type", "") == STREAM:
            return self._stream(request, run_id, asked["since"], over=state in RUN_FINAL)
        events = queries.events_since(run_id, asked["since"], limit=asked["limit"])
        return Response(_page(events, asked["since"], state))

    def _stream(self, request: Request, run_id: int, since: int, *, over: bool) -> HttpResponseBase:
        if not isinstance(request._request, ASGIRequest):
            raise NotAcceptable("Streams need an ASGI server: ask for application/json, again and again.")
        since = whole_number(request.headers.get(LAST_ID, str(since)), LAST_ID, least=0)
        if over and not Event.objects.filter(run=run_id, seq__gt=since).exists():
            return HttpResponse(status=HTTPStatus.NO_CONTENT)
        allowed = partial(may_still, request, self.needs["list"])
        stream = feed.Stream(run_id, since, _message, reader=request.user.pk, allowed=allowed)
        if not feed.admit(stream):
            raise TooManyStreams
        if not connection.in_atomic_block:
            connection.close()  # this thread's; else it would be held for as long as the stream is open
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingHttpResponse(stream, content_type=STREAM, headers=headers)


def _page(events: Sequence[EventRow], since: int, state: str) -> dict[str, Any]:
    return {
        "events": EventSerializer(events, many=True).data,
        "next_since": events[-1].seq if events else since,
        "run_state": state,
    }


def _message(news: Followed) -> dict[str, Any]:
    """A page, and where it begins: a client that is elsewhere has missed something."""
    return {"since": news.since, **_page(news.events, news.since, news.run_state)}
