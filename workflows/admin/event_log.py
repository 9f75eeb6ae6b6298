"""Events and logs: what happened, newest first."""

from __future__ import annotations

from django.contrib import admin
from django.db.models import F, QuerySet
from django.db.models.functions import Left, Length
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from workflows.admin import filters, show
from workflows.admin.bases import EMPTY, BigTableAdmin, ReadOnlyAdmin, link_to, moment
from workflows.models import Event, EventCursor, LogChunk

_EXCERPT = 160
_AT = moment("at", _("at"))


@admin.register(Event)
class EventAdmin(BigTableAdmin[Event]):
    """Every transition of every run and task."""

    list_display = (_AT, "run_link", "task", "attempt", "transition", "why", "node")
    list_display_links = (_AT,)
    list_filter = (filters.NewStateFilter, filters.ReasonFilter, "at")
    search_fields = ("=run__id", "task_id", "message", "node")
    search_help_text = _("Run number, task id, message or node.")
    list_select_related = False
    fields = ("at", "seq", "run_link", "task", "attempt", "transition", "why", "node")
    readonly_fields = ("run_link", "task", "transition", "why")

    @admin.display(description=_("run"))
    def run_link(self, event: Event) -> SafeString:
        return link_to("dagrun", event.run_id, _("run {}").format(event.run_id))

    @admin.display(description=_("task"))
    def task(self, event: Event) -> SafeString:
        return link_to("taskexecution", event.task_execution_id, event.task_id or EMPTY)

    @admin.display(description=_("transition"))
    def transition(self, event: Event) -> SafeString:
        old = show.badge(event.old) if event.old else ""
        return format_html('<span class="move">{} → {}</span>', old, show.badge(event.new))

    @admin.display(description=_("reason"))
    def why(self, event: Event) -> str:
        return ": ".join(part for part in (show.reason(event.reason), event.message) if part)


@admin.register(LogChunk)
class LogChunkAdmin(BigTableAdmin[LogChunk]):
    """What tasks wrote, piece by piece. The page of a task shows a whole log."""

    list_display = (_AT, "task", "attempt", "seq", "stream", "characters", "excerpt")
    list_display_links = (_AT,)
    list_filter = ("stream", "at")
    search_fields = ("=task_execution_id",)
    search_help_text = _("Number of the task execution. To search in a log, open its task.")
    fields = ("task", "attempt", "seq", "stream", "at", "whole_text")
    readonly_fields = ("task", "whole_text")

    def get_queryset(self, request: HttpRequest) -> QuerySet[LogChunk]:
        """Without the texts, which may be large: an excerpt comes from the database."""
        rows = super().get_queryset(request)
        return rows.defer("text").annotate(start=Left(F("text"), _EXCERPT), length=Length("text"))

    @admin.display(description=_("task execution"))
    def task(self, chunk: LogChunk) -> SafeString:
        number = _("task execution {}").format(chunk.task_execution_id)
        return link_to("taskexecution", chunk.task_execution_id, number)

    @admin.display(description=_("characters"))
    def characters(self, chunk: LogChunk) -> int:
        return int(chunk.length)  # type: ignore[attr-defined]

    @admin.display(description=_("text"))
    def excerpt(self, chunk: LogChunk) -> SafeString:
        return format_html('<code class="excerpt">{}</code>', show.log_text(chunk.start))  # type: ignore[attr-defined]

    @admin.display(description=_("text"))
    def whole_text(self, chunk: LogChunk) -> SafeString:
        return format_html('<pre class="log">{}</pre>', show.log_text(chunk.text))


@admin.register(EventCursor)
class EventCursorAdmin(ReadOnlyAdmin[EventCursor]):
    """How far each reader of the events has come."""

    list_display = ("name", "seq", _AT)
