"""What a task wrote: in chunks for those who follow it, whole for those who download it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_serializer
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from api.fields import Record
from api.negotiation import AnyAccept
from api.tasks import TaskQuery, execution
from workflows.engine import log_lines, queries
from workflows.models import LogChunk, TaskAttempt, TaskExecution

_MAX_ATTEMPT = 2**31 - 1


class AttemptQuery(TaskQuery):
    """Which attempt."""

    attempt = serializers.IntegerField(
        required=False, min_value=1, max_value=_MAX_ATTEMPT, help_text="Left out: the current attempt."
    )


class LogQuery(AttemptQuery):
    """From where, and how many chunks."""

    after = serializers.IntegerField(required=False, default=-1, min_value=-1, max_value=_MAX_ATTEMPT)
    before = serializers.IntegerField(
        required=False,
        min_value=0,
        max_value=_MAX_ATTEMPT,
        help_text="Then the answer has the last chunks before this sequence number; its highest value gives the tail.",
    )
    limit = serializers.IntegerField(required=False, default=200, min_value=1, max_value=500)
    chars = serializers.IntegerField(
        required=False,
        default=16_000_000,
        min_value=1,
        max_value=16_000_000,
        help_text="About so many characters, and at least one chunk.",
    )
    numbered = serializers.BooleanField(
        required=False, default=False, help_text="Say the number of the first line, which means counting those before."
    )


class LogChunkSerializer(Record[LogChunk]):
    """A piece of a log."""

    class Meta:
        model = LogChunk
        fields = ("seq", "stream", "text", "at")
        read_only_fields = fields


@extend_schema_serializer(many=False)
class LogsSerializer(serializers.Serializer[Any]):
    """Chunks after a sequence number."""

    attempt = serializers.IntegerField()
    chunks = LogChunkSerializer(many=True)
    next_after = serializers.IntegerField(help_text="Pass it as `after` to go on.")
    complete = serializers.BooleanField(help_text="The attempt has ended and this is the rest of its log.")
    begins = serializers.BooleanField(help_text="Nothing comes before the first of these chunks.")
    first_line = serializers.IntegerField(
        allow_null=True, help_text="Number, from 1, of the line that the first chunk begins in; null unless asked for."
    )


class LogResource(Closed, ViewSet):
    """Logs in chunks."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"list": ("workflows.view_logchunk",)}

    @extend_schema(operation_id="runs_tasks_logs", parameters=[LogQuery], responses=LogsSerializer)
    def list(self, request: Request, run_id: int, task_id: str) -> Response:
        """Chunks of an attempt's log after `after`, in order; or the last ones before `before`."""
        asked = LogQuery.of(request)
        task = execution(run_id, task_id, asked["map_index"], "output")
        attempt = asked.get("attempt", task.attempt)
        # Asked before the chunks are read: what an ended attempt wrote is all there.
        ended = has_ended(task, attempt)
        chunks = log_lines.window(
            task.pk,
            attempt,
            after=asked["after"],
            before=asked.get("before"),
            limit=asked["limit"],
            chars=asked["chars"],
        )
        first, last = (chunks[0].seq, chunks[-1].seq) if chunks else (asked["after"] + 1, asked["after"])
        counted = asked["numbered"] and log_lines.lines_before(task.pk, attempt, first) + 1
        return Response(
            {
                "attempt": attempt,
                "chunks": LogChunkSerializer(chunks, many=True).data,
                "next_after": last,
                "complete": ended and not log_lines.any_from(task.pk, attempt, last + 1),
                "begins": first == 0,
                "first_line": counted or None,
            }
        )


class LogDownload(Closed, ViewSet):
    """A log as a file."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"download": ("workflows.view_logchunk",)}
    content_negotiation_class = AnyAccept

    @extend_schema(
        operation_id="runs_tasks_logs_download",
        parameters=[AttemptQuery],
        responses={(200, "text/plain"): OpenApiTypes.STR},
    )
    def download(self, request: Request, run_id: int, task_id: str) -> HttpResponse:
        """The whole stored log of an attempt as text. LOG_MAX_BYTES bounds it."""
        asked = AttemptQuery.of(request)
        task = execution(run_id, task_id, asked["map_index"], "output")
        attempt = asked.get("attempt", task.attempt)
        text = "".join(chunk.text for chunk in queries.all_log_chunks(task.pk, attempt))
        return HttpResponse(
            text.encode(),
            content_type="text/plain; charset=utf-8",
            headers={
                "Content-Disposition": f'attachment; filename="{run_id}.{task_id}.{attempt}.log"',
                "X-Content-Type-Options": "nosniff",
            },
        )


def has_ended(task: TaskExecution, attempt: int) -> bool:
    """Whether an attempt writes no more."""
    if attempt != task.attempt:
        return attempt < task.attempt
    if task.ended_at is not None:
        return True
    return TaskAttempt.objects.filter(task_execution_id=task.pk, number=attempt, ended_at__isnull=False).exists()
