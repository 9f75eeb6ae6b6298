"""Backfills: the list with their progress, the page of one, and pause, resume, cancel, retry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

from django.contrib import admin, messages
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.functional import Promise
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from workflows.admin import show
from workflows.admin.bases import BigTableAdmin, link_to, may, moment
from workflows.core.durations import format_duration
from workflows.engine import backfill
from workflows.engine.backfill import Progress
from workflows.models import Backfill, BackfillDate

DATES_SHOWN = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One thing that people do to a backfill."""

    title: Promise
    says: Promise
    button: Promise
    permissions: tuple[str, ...]
    states: tuple[str, ...]


_ANY = ("running", "paused", "done", "cancelled")
VERBS: Mapping[str, Verb] = MappingProxyType(
    {
        "pause": Verb(
            title=_("Pause backfill"),
            says=_("No further run starts until it is resumed. Runs that have started go on."),
            button=_("Yes, pause"),
            permissions=("change_backfill",),
            states=("running",),
        ),
        "resume": Verb(
            title=_("Resume backfill"),
            says=_("The reconciler starts its next runs."),
            button=_("Yes, resume"),
            permissions=("change_backfill",),
            states=("paused",),
        ),
        "cancel": Verb(
            title=_("Cancel backfill"),
            says=_("No further run starts, for good, in it and in those downstream of it."),
            button=_("Yes, cancel; its runs go on"),
            permissions=("change_backfill", "change_dagrun"),
            states=("running", "paused"),
        ),
        "retry": Verb(
            title=_("Retry backfill"),
            says=_(
                "Every date that ended without success is run again, in a new run of the version that is current then."
            ),
            button=_("Yes, run them again"),
            permissions=("change_backfill", "add_dagrun"),
            states=_ANY,
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DateLine:
    """One date in the table."""

    at: datetime
    badge: SafeString
    run_id: int | None
    message: str


def verbs_of(request: HttpRequest, row: Backfill, progress: Progress) -> list[str]:
    """What the user may do to it now."""
    return [
        name
        for name, verb in VERBS.items()
        if row.state in verb.states
        and all(may(request, permission) for permission in verb.permissions)
        and (name != "retry" or progress.without_success)
    ]


def badges(progress: Progress) -> SafeString:
    """How many dates stand how, as badges."""
    return format_html_join(" ", "{}", ((show.badge(name, count=n),) for name, n in progress.as_dict().items()))


class CountedList(ChangeList):
    """The rows of one page, each with its progress."""

    def get_results(self, request: HttpRequest) -> None:
        """The page, and one more query."""
        super().get_results(request)
        self.result_list = list(self.result_list)
        found = backfill.progress_of(row.pk for row in self.result_list)
        for row in self.result_list:
            row.counted = found[row.pk]


@admin.register(Backfill)
class BackfillAdmin(BigTableAdmin[Backfill]):
    """Backfills; they are started from the page of a DAG."""

    list_display = (
        "number",
        "dag_link",
        "status",
        "progress",
        moment("start", _("from")),
        moment("end", _("to")),
        "concurrency",
        "created_by",
        moment("created_at", _("created")),
    )
    list_filter = ("state", "which", "created_at")
    search_fields = ("=id", "dag__dag_id")
    search_help_text = _("Number or DAG id.")
    actions = ("pause_chosen", "resume_chosen")

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Whether the user may pause and resume."""
        return may(request, "change_backfill")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Backfill]:
        """With DAG and user."""
        return super().get_queryset(request).select_related("dag", "created_by", "parent")

    def get_urls(self) -> list[URLPattern]:
        """The confirmation pages, beside Django's own."""
        view = self.admin_site.admin_view(self.verb_view)
        mine = [path(f"<int:pk>/{verb}/", view, {"verb": verb}, name=f"workflows_backfill_{verb}") for verb in VERBS]
        return [*mine, *super().get_urls()]

    @admin.display(description=_("backfill"))
    def number(self, row: Backfill) -> str:
        return str(row)

    @admin.display(description=_("DAG"))
    def dag_link(self, row: Backfill) -> SafeString:
        return link_to("dag", row.dag.pk, row.dag.dag_id)

    @admin.display(description=_("state"))
    def status(self, row: Backfill) -> SafeString:
        return show.badge(row.state)

    @admin.display(description=_("dates"))
    def progress(self, row: Backfill) -> SafeString:
        return badges(row.counted)  # type: ignore[attr-defined]

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """The list that counts the dates of all its rows in one query."""
        return CountedList

    @admin.action(description=_("Pause"), permissions=["control"])
    def pause_chosen(self, request: HttpRequest, queryset: QuerySet[Backfill]) -> None:
        """Pause the chosen backfills."""
        done = sum(self._do(request, row, "pause") > 0 for row in queryset)
        self.message_user(request, ngettext("%d backfill paused.", "%d backfills paused.", done) % done)

    @admin.action(description=_("Resume"), permissions=["control"])
    def resume_chosen(self, request: HttpRequest, queryset: QuerySet[Backfill]) -> None:
        """Resume the chosen backfills."""
        done = sum(self._do(request, row, "resume") > 0 for row in queryset)
        self.message_user(request, ngettext("%d backfill resumed.", "%d backfills resumed.", done) % done)

    def page(self, request: HttpRequest, row: Backfill) -> HttpResponse:
        """The page of a backfill."""
        progress = backfill.progress_of([row.pk])[row.pk]
        context = self.page_context(
            request,
            title=str(row),
            backfill=row,
            state=show.badge(row.state),
            progress=badges(progress),
            total=progress.total,
            every=format_duration(row.every) if row.every else "",
            verbs=verbs_of(request, row, progress),
            params=show.pretty(row.params) if row.params else "",
            lines=date_lines(row),
            hidden=max(0, progress.total - DATES_SHOWN),
            children=[(child, show.badge(child.state)) for child in row.children.select_related("dag").order_by("id")],
        )
        return TemplateResponse(request, "workflows/admin/backfill.html", context)

    def verb_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Ask first, then do it."""
        row = get_object_or_404(self.get_queryset(request), pk=pk)
        if not all(may(request, permission) for permission in VERBS[verb].permissions):
            raise PermissionDenied
        back = reverse("admin:workflows_backfill_change", args=[pk])
        if request.method == "POST":
            done = self._do(request, row, verb, runs="runs" in request.POST)
            text, level = (_("Done."), messages.SUCCESS) if done else (_("There was nothing to do."), messages.WARNING)
            self.message_user(request, text, level)
            return HttpResponseRedirect(back)
        progress = backfill.progress_of([pk])[pk]
        context = self.page_context(
            request,
            title=VERBS[verb].title,
            backfill=row,
            verb=VERBS[verb],
            is_cancel=verb == "cancel",
            progress=badges(progress),
            again=progress.without_success if verb == "retry" else 0,
            going=progress.running,
            children=row.children.count(),
            back=back,
        )
        return TemplateResponse(request, "workflows/admin/backfill_confirm.html", context)

    def _do(self, request: HttpRequest, row: Backfill, verb: str, *, runs: bool = False) -> int:
        by = request.user.get_username() if isinstance(request.user, AbstractBaseUser) else ""
        deeds = {
            "pause": lambda: int(backfill.pause(row.pk)),
            "resume": lambda: int(backfill.resume(row.pk)),
            "cancel": lambda: int(backfill.cancel(row.pk, runs=runs, by=by)),
            "retry": lambda: backfill.retry(row.pk),
        }
        done = deeds[verb]()
        if done:
            self.log_change(request, row, verb)
        return done


def date_lines(row: Backfill) -> list[DateLine]:
    """The first dates in their order."""
    order = "-logical_date" if row.newest_first else "logical_date"
    dates = row.dates.order_by(order).values("logical_date", "state", "run_id", "run__state", "message")
    return [
        DateLine(
            at=date["logical_date"],
            badge=show.badge(
                date["run__state"] if date["run__state"] and date["state"] != "waiting" else date["state"]
            ),
            run_id=date["run_id"],
            message=date["message"],
        )
        for date in dates[:DATES_SHOWN]
    ]


@admin.register(BackfillDate)
class BackfillDateAdmin(BigTableAdmin[BackfillDate]):
    """Dates of backfills: for searching across them."""

    list_display = (moment("logical_date", _("logical date")), "backfill_link", "status", "run_link", "message")
    list_filter = ("state",)
    search_fields = ("=backfill__id", "=run__id", "backfill__dag__dag_id")
    search_help_text = _("Backfill number, run number or DAG id.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[BackfillDate]:
        """With the run's state."""
        return super().get_queryset(request).select_related("backfill", "run").defer("run__params")

    @admin.display(description=_("backfill"))
    def backfill_link(self, date: BackfillDate) -> SafeString:
        return link_to("backfill", date.backfill.pk, date.backfill)

    @admin.display(description=_("state"))
    def status(self, date: BackfillDate) -> SafeString:
        return show.badge(date.run.state if date.run and date.state != "waiting" else date.state)

    @admin.display(description=_("run"))
    def run_link(self, date: BackfillDate) -> SafeString:
        return link_to("dagrun", date.run_id, _("run {}").format(date.run_id))
