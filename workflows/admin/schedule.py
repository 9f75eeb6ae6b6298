"""Schedules, read only: what they say, how far they were followed, and when they run next."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import formats
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from workflows.admin import show
from workflows.admin.bases import EMPTY, ReadOnlyAdmin, link_to, may, moment
from workflows.engine import schedules
from workflows.models import Dag, Schedule

_UPCOMING = 10


@admin.register(Schedule)
class ScheduleAdmin(ReadOnlyAdmin[Schedule]):
    """A schedule changes by publishing a version of its DAG."""

    list_display = ("dag_link", "said", "switch", moment("next_at", _("next run")), "local", "note")
    list_display_links = ("said",)
    search_fields = ("dag__dag_id", "message")
    ordering = ("next_at", "dag__dag_id")
    fields = ("dag_link", "said", "switch", "next_runs", "message", "until", "entry", "specification")
    readonly_fields = fields

    def get_queryset(self, request: HttpRequest) -> QuerySet[Schedule]:
        """With the DAG's name and switch."""
        return super().get_queryset(request).filter(dag__deleted_at=None).select_related("dag")

    @admin.display(description=_("DAG"), ordering="dag__dag_id")
    def dag_link(self, row: Schedule) -> SafeString:
        return link_to("dag", row.dag_id, row.dag.dag_id)

    @admin.display(description=_("schedule"))
    def said(self, row: Schedule) -> str:
        return show.schedule(schedules.spec_of(row))

    @admin.display(description=_("switch"))
    def switch(self, row: Schedule) -> SafeString:
        return show.badge("paused" if row.dag.paused_at else "active")

    @admin.display(description=_("on its clocks"))
    def local(self, row: Schedule) -> str:
        return local_text(row)

    @admin.display(description=_("last note"))
    def note(self, row: Schedule) -> str:
        return row.message

    @admin.display(description=_("next runs"))
    def next_runs(self, row: Schedule) -> SafeString:
        """The next dates on the zone's clocks, and in UTC."""
        spec = schedules.spec_of(row)
        found = schedules.upcoming(spec, row.dag.dag_id, count=_UPCOMING, after=row.cursor)
        lines = ((formats.date_format(each.local, "D Y-m-d H:i:s O"), show.when(each.starts_at)) for each in found)
        return format_html_join(SafeString("<br>"), "{} · {}", lines) or SafeString(EMPTY)

    @admin.display(description=_("dealt with up to"))
    def until(self, row: Schedule) -> SafeString:
        return show.when(row.cursor)

    @admin.display(description=_("beat entry"))
    def entry(self, row: Schedule) -> SafeString:
        """A link, where the project shows beat's tables."""
        if row.periodic_task_id is None:
            return SafeString(EMPTY)
        try:
            url = reverse("admin:django_celery_beat_periodictask_change", args=[row.periodic_task_id])
        except NoReverseMatch:
            return format_html("{}", row.periodic_task_id)
        return format_html('<a href="{}">{}</a>', url, row.periodic_task_id)

    @admin.display(description=_("specification"))
    def specification(self, row: Schedule) -> SafeString:
        return format_html('<pre class="json">{}</pre>', show.pretty(row.spec))


def local_text(row: Schedule) -> str:
    """The next run on the clocks of its zone."""
    if row.next_at is None:
        return ""
    spec = schedules.spec_of(row)
    return formats.date_format(row.next_at.astimezone(schedules.zone(spec)), "D H:i:s O")


def facts_of(dag: Dag, request: HttpRequest) -> dict[str, Any]:
    """What the page of a DAG says of its schedule and of its webhook."""
    row = Schedule.objects.filter(dag=dag).first() if may(request, "view_schedule") else None
    return {
        "schedule": row,
        "schedule_words": show.schedule(schedules.spec_of(row)) if row is not None else "",
        "schedule_local": local_text(row) if row is not None else "",
        "has_hook": bool(dag.hook_nonce),
        "may_hook": dag.deleted_at is None and may(request, "change_dag") and may(request, "add_dagrun"),
    }
