"""Filters of the lists: the ones that are not simply a column's values."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Func, QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from workflows.admin import show
from workflows.core.states import Reason, TaskState
from workflows.models import Approval, Dag, DagRun, Event, Node

Lookups = list[tuple[str, str]]


class PausedFilter(admin.SimpleListFilter):
    """DAGs by their switch."""

    title = _("switch")
    parameter_name = "switch"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Dag]) -> Lookups:
        return [("active", gettext("active")), ("paused", gettext("paused")), ("deleted", gettext("deleted"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Dag]) -> QuerySet[Dag]:
        match self.value():
            case "active":
                return queryset.filter(paused_at__isnull=True, deleted_at__isnull=True)
            case "paused":
                return queryset.filter(paused_at__isnull=False, deleted_at__isnull=True)
            case "deleted":
                return queryset.filter(deleted_at__isnull=False)
        return queryset


class DeletedFilter(admin.SimpleListFilter):
    """Runs by whether they were deleted; unless it is asked for, deleted ones are hidden."""

    title = _("deleted")
    parameter_name = "deleted"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[DagRun]) -> Lookups:
        return [("yes", gettext("only deleted ones")), ("any", gettext("with deleted ones"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[DagRun]) -> QuerySet[DagRun]:
        if self.value() == "any":
            return queryset
        return queryset.filter(deleted_at__isnull=self.value() != "yes")


class TagFilter(admin.SimpleListFilter):
    """DAGs by one of their tags."""

    title = _("tag")
    parameter_name = "tag"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Dag]) -> Lookups:
        each = Dag.objects.annotate(tag=Func("tags", function="unnest")).order_by("tag")
        return [(tag, tag) for tag in each.values_list("tag", flat=True).distinct()[:200]]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Dag]) -> QuerySet[Dag]:
        return queryset.filter(tags__contains=[self.value()]) if self.value() else queryset


class OpenFilter(admin.SimpleListFilter):
    """Approvals by whether they can be answered."""

    title = _("progress")
    parameter_name = "progress"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Approval]) -> Lookups:
        return [("open", gettext("open")), ("closed", gettext("closed"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Approval]) -> QuerySet[Approval]:
        now = Approval.objects.open().values("pk")
        match self.value():
            case "open":
                return queryset.filter(pk__in=now)
            case "closed":
                return queryset.exclude(pk__in=now)
        return queryset


class ProgressFilter(admin.SimpleListFilter):
    """Rows by whether they are over."""

    title = _("progress")
    parameter_name = "progress"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Any]) -> Lookups:
        return [("unfinished", gettext("unfinished")), ("over", gettext("over"))]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if self.value() in ("unfinished", "over"):
            return queryset.filter(ended_at__isnull=self.value() == "unfinished")
        return queryset


class NewStateFilter(admin.SimpleListFilter):
    """Events by the state that was entered."""

    title = _("entered state")
    parameter_name = "new"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Event]) -> Lookups:
        return [(state.value, show.label(state.value)) for state in TaskState]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(new=self.value()) if self.value() else queryset


class ReasonFilter(admin.SimpleListFilter):
    """Events by the word that says why."""

    title = _("reason")
    parameter_name = "reason"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Event]) -> Lookups:
        return [(word.value, show.reason(word.value)) for word in Reason if word.value]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Event]) -> QuerySet[Event]:
        return queryset.filter(reason=self.value()) if self.value() else queryset


class AliveFilter(admin.SimpleListFilter):
    """Nodes by what was last heard of them."""

    title = _("state")
    parameter_name = "state"

    def lookups(self, request: HttpRequest, model_admin: admin.ModelAdmin[Node]) -> Lookups:
        return [(word, show.label(word)) for word in ("alive", "silent", "stalled", "stopped")]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Node]) -> QuerySet[Node]:
        match self.value():
            case "alive":
                return queryset.filter(stopped_at__isnull=True, heartbeat_at__gt=show.alive_since())
            case "silent":
                return queryset.filter(stopped_at__isnull=True, heartbeat_at__lte=show.alive_since())
            case "stalled":
                return queryset.filter(stopped_at__isnull=True, stalled_at__isnull=False)
            case "stopped":
                return queryset.filter(stopped_at__isnull=False)
        return queryset
