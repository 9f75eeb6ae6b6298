"""What happened in a run, in order, for those who follow it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from api.fields import MAX_INT, Query, UtcDateTimeField
from workflows.core.errors import UnknownRun
from workflows.core.states import RunState
from workflows.engine import queries
from workflows.models import DagRun


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


class EventResource(Closed, ViewSet):
    """Events of one run."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"list": ("workflows.view_event",)}

    @extend_schema(operation_id="runs_events", parameters=[EventQuery], responses=EventsSerializer)
    def list(self, request: Request, run_id: int) -> Response:
        """Events after `since`, in order: none is missed and none is told twice.

        The last event of the run itself says how it ended.
        """
        asked = EventQuery.of(request)
        state = DagRun.objects.filter(pk=run_id).values_list("state", flat=True).first()
        if state is None:
            raise UnknownRun(run_id=run_id)
        events = queries.events_since(run_id, asked["since"], limit=asked["limit"])
        return Response(
            {
                "events": EventSerializer(events, many=True).data,
                "next_since": events[-1].seq if events else asked["since"],
                "run_state": state,
            }
        )
