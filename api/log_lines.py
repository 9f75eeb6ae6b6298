"""Search in a log, by the server: it reads, the client gets lines."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from api.logs import AttemptQuery, has_ended
from api.tasks import execution
from workflows.engine import log_lines
from workflows.engine.log_lines import LEVELS, Line, Place, Wanted
from workflows.models import LogChunk


@extend_schema_field({"type": "string"})
class Words(serializers.Field[frozenset[str], str, str, Any]):
    """Several words of a fixed vocabulary, with commas between."""

    default_error_messages: ClassVar[dict[str, Any]] = {"unknown": "Known are {known}, with commas between."}

    def __init__(self, known: tuple[str, ...], **kwargs: Any) -> None:
        super().__init__(required=False, help_text=f"Of {', '.join(known)}.", **kwargs)
        self.known = known

    def to_internal_value(self, data: str) -> frozenset[str]:
        """The words."""
        words = frozenset(filter(None, data.split(",")))
        if not words <= set(self.known):
            self.fail("unknown", known=", ".join(self.known))
        return words


class PlaceField(serializers.RegexField):
    """A line, as `seq.line.number`."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(r"^\d{1,9}\.\d{1,9}\.\d{1,9}$", required=False, **kwargs)


class SearchQuery(AttemptQuery):
    """Which lines."""

    text = serializers.CharField(
        required=False, default="", allow_blank=True, trim_whitespace=False, max_length=500, help_text="In any case."
    )
    level = Words(tuple(LEVELS))
    stream = Words(tuple(stream for stream, _ in LogChunk.STREAMS))
    after = PlaceField(help_text="`next_after` of the answer before.")
    limit = serializers.IntegerField(required=False, default=200, min_value=1, max_value=1000)


class FoundLineSerializer(serializers.Serializer[Any]):
    """One line that matches."""

    seq = serializers.IntegerField(help_text="The chunk that it begins in.")
    line = serializers.IntegerField(help_text="Line ends before it in that chunk.")
    number = serializers.IntegerField(help_text="Its number in the whole log, from 1.")
    stream = serializers.CharField()
    level = serializers.CharField(help_text="Empty when the line says none.")
    text = serializers.CharField(help_text=f"At most {log_lines.LINE_SHOWN} characters.")


class FoundSerializer(serializers.Serializer[Any]):
    """Lines that match, and where to go on."""

    attempt = serializers.IntegerField()
    lines = FoundLineSerializer(many=True)
    next_after = serializers.CharField(help_text="Pass it as `after` to go on. Empty: nothing was read.")
    exhausted = serializers.BooleanField(help_text="The search came to the end of what is there.")
    complete = serializers.BooleanField(help_text="It did, and the attempt has ended.")


class LogSearch(Closed, ViewSet):
    """Lines of a log."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"search": ("workflows.view_logchunk",)}

    @extend_schema(operation_id="runs_tasks_logs_search", parameters=[SearchQuery], responses=FoundSerializer)
    def search(self, request: Request, run_id: int, task_id: str) -> Response:
        """Lines of an attempt's log that match, in order.

        An answer may come before `limit` lines are found, or with none: so much of a large log was read. Go on with
        `next_after` until it is `exhausted`.
        """
        asked = SearchQuery.of(request)
        task = execution(run_id, task_id, asked["map_index"], "output")
        attempt = asked.get("attempt", task.attempt)
        ended = has_ended(task, attempt)
        wanted = Wanted(
            text=asked["text"],
            levels=asked.get("level", frozenset()),
            streams=asked.get("stream", frozenset()),
        )
        found = log_lines.find(task.pk, attempt, wanted, after=_place(asked.get("after")), limit=asked["limit"])
        return Response(
            {
                "attempt": attempt,
                "lines": [_line(line) for line in found.lines],
                "next_after": _named(found.last),
                "exhausted": found.exhausted,
                "complete": found.exhausted and ended,
            }
        )


def _place(text: str | None) -> Place | None:
    if not text:
        return None
    seq, line, number = (int(part) for part in text.split("."))
    return Place(seq=seq, line=line, number=number)


def _named(place: Place | None) -> str:
    return f"{place.seq}.{place.line}.{place.number}" if place else ""


def _line(found: Line) -> dict[str, Any]:
    place = found.place
    return {
        "seq": place.seq,
        "line": place.line,
        "number": place.number,
        "stream": found.stream,
        "level": log_lines.level_of(found.text),
        "text": found.text,
    }
