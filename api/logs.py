"""What a task wrote: in chunks for those who follow it, whole for those who download it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from django.http import HttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.viewsets import ViewSet

from api.closed import Closed
from api.fields import Record
from api.negotiation import AnyAccept
from api.tasks import TaskQuery, execution
from workflows.engine import queries
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
    limit = serializers.IntegerField(required=False, default=200, min_value=1, max_value=500)


class LogChunkSerializer(Record[LogChunk]):
    """A piece of a log."""

    class Meta:
        model = LogChunk
        fields = ("seq", "stream", "text", "at")
        read_only_fields = fields


class LogsSerializer(serializers.Serializer[Any]):
    """Chunks after a sequence number."""

    attempt = serializers.IntegerField()
    chunks = LogChunkSerializer(many=True)
    next_after = serializers.IntegerField(help_text="Pass it as `after` to go on.")
    complete = serializers.BooleanField(help_text="The attempt has ended and this is the rest of its log.")


class LogResource(Closed, ViewSet):
    """Logs in chunks."""

    needs: ClassVar[Mapping[str, tuple[str, ...]]] = {"list": ("workflows.view_logchunk",)}

    @extend_schema(operation_id="runs_tasks_logs", parameters=[LogQuery], responses=LogsSerializer)
    def list(self, request: Request, run_id: int, task_id: str) -> Response:
        """Chunks of an attempt's log after `after`, in order."""
        asked = LogQuery.of(request)
        task = execution(run_id, task_id, asked["map_index"], "output")
        attempt = asked.get("attempt", task.attempt)
        # Asked before the chunks are read: what an ended attempt wrote is all there.
        ended = _has_ended(task, attempt)
        chunks = queries.log_chunks(task.pk, attempt, after=asked["after"], limit=asked["limit"])
        return Response(
            {
                "attempt": attempt,
                "chunks": LogChunkSerializer(chunks, many=True).data,
                "next_after": chunks[-1].seq if chunks else asked["after"],
                "complete": ended and len(chunks) < asked["limit"],
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


def _has_ended(task: TaskExecution, attempt: int) -> bool:
    if attempt != task.attempt:
        return attempt < task.attempt
    if task.ended_at is not None:
        return True
    return TaskAttempt.objects.filter(task_execution_id=task.pk, number=attempt, ended_at__isnull=False).exists()
