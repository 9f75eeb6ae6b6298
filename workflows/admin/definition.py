"""DAGs and their versions. A DAG changes by publishing a version; runs start from its page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from workflows.admin import (
    backfilling,
    dag_list,
    deleting,
    designing,
    filters,
    hooking,
    launching,
    publishing,
    schedule,
    show,
    version_page,
)
from workflows.admin.bases import EMPTY, ReadOnlyAdmin, link_to, list_url, may, moment
from workflows.engine import control
from workflows.models import Dag, DagVersion

_SHOWN = 20


@admin.register(Dag)
class DagAdmin(ReadOnlyAdmin[Dag]):
    """DAGs: run now, pause, resume, publish a version."""

    list_filter = (filters.PausedFilter, filters.TagFilter, "owner")
    search_fields = ("dag_id", "name", "description", "owner")
    ordering = ("dag_id",)
    actions = ("run_now", "pause", "resume")

    # Publishing is what adding and changing mean here.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return publishing.may_publish(request)

    def has_run_permission(self, request: HttpRequest) -> bool:
        """Whether the user may start runs."""
        return may(request, "add_dagrun")

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Whether the user may pause and resume."""
        return may(request, "change_dag")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Dag]:
        """With the current version's number and the last runs, without documents and plans."""
        rows = super().get_queryset(request).select_related("current_version", "schedule")
        large = (f"current_version__{name}" for name in version_page.LARGE)
        return dag_list.with_last_runs(rows.defer(*large))

    def get_list_display(self, request: HttpRequest) -> tuple[str | Callable[[Any], Any], ...]:
        """The columns, of what the user may see, with what the user may do."""
        may_control, may_run = self.has_control_permission(request), self.has_run_permission(request)

        @admin.display(description=_("may run"), ordering="paused_at")
        def switch(dag: Dag) -> SafeString:
            return dag_list.switch(dag, request, may_control)

        @admin.display(description="")
        def acts(dag: Dag) -> SafeString:
            return dag_list.acts(dag, may_run)

        runs = ("last_runs", "success_rate", "took") if may(request, "view_dagrun") else ()
        dates = ("next_run",) if may(request, "view_schedule") else ()
        return ("title", *runs, *dates, "version", switch, *((acts,) if may_run else ()))

    def get_urls(self) -> list[URLPattern]:
        """The pages of a DAG beside Django's own."""
        view = self.admin_site.admin_view
        return [
            path("designer/", view(self.new_designer_view), name="workflows_dag_designer_new"),
            path("<int:pk>/designer/", view(self.designer_view), name="workflows_dag_designer"),
            path("<int:pk>/new-version/", view(self.new_version_view), name="workflows_dag_new_version"),
            path("<int:pk>/run/", view(self.run_view), name="workflows_dag_run"),
            path("<int:pk>/backfill/", view(self.backfill_view), name="workflows_dag_backfill"),
            path("<int:pk>/delete-softly/", view(self.delete_softly_view), name="workflows_dag_delete_softly"),
            path("<int:pk>/restore/", view(self.restore_view), name="workflows_dag_restore"),
            path("<int:pk>/webhook/", view(self.hook_view), name="workflows_dag_hook"),
            path("<int:pk>/pause/", view(self.pause_view), name="workflows_dag_pause"),
            path("<int:pk>/resume/", view(self.resume_view), name="workflows_dag_resume"),
            *super().get_urls(),
        ]

    # Columns

    @admin.display(description=_("DAG"), ordering="dag_id")
    def title(self, dag: Dag) -> SafeString:
        return dag_list.name(dag)

    def switch(self, dag: Dag) -> SafeString:
        """How the switch stands."""
        if dag.deleted_at is not None:
            return show.badge("deleted")
        return show.badge("paused" if dag.paused_at else "active")

    @admin.display(description=_("version"))
    def version(self, dag: Dag) -> SafeString:
        if dag.current_version is None:
            return SafeString(EMPTY)
        return link_to("dagversion", dag.current_version.pk, f"v{dag.current_version.number}")

    @admin.display(description=_("last runs"))
    def last_runs(self, dag: Dag) -> SafeString:
        return dag_list.strip(dag)

    @admin.display(description=_("success"))
    def success_rate(self, dag: Dag) -> SafeString:
        return dag_list.rate(dag)

    @admin.display(description=_("duration"))
    def took(self, dag: Dag) -> SafeString:
        return dag_list.durations(dag)

    @admin.display(description=_("next run"), ordering="schedule__next_at")
    def next_run(self, dag: Dag) -> SafeString:
        return dag_list.next_run(dag)

    # Actions

    @admin.action(description=_("Run now…"), permissions=["run"])
    def run_now(self, request: HttpRequest, queryset: QuerySet[Dag]) -> HttpResponse | None:
        """Open the launch form of the one DAG that is chosen."""
        chosen = list(queryset.values_list("pk", flat=True)[:2])
        if len(chosen) == 1:
            return HttpResponseRedirect(reverse("admin:workflows_dag_run", args=chosen))
        self.message_user(request, _("Choose one DAG to run."), messages.WARNING)
        return None

    @admin.action(description=_("Pause"), permissions=["control"])
    def pause(self, request: HttpRequest, queryset: QuerySet[Dag]) -> None:
        """Refuse new runs of the chosen DAGs."""
        done = sum(self._switch(request, dag, pause=True) for dag in queryset)
        text = ngettext("%d DAG paused.", "%d DAGs paused.", done) % done
        self.message_user(request, text, messages.SUCCESS if done else messages.WARNING)

    @admin.action(description=_("Resume"), permissions=["control"])
    def resume(self, request: HttpRequest, queryset: QuerySet[Dag]) -> None:
        """Allow new runs of the chosen DAGs."""
        done = sum(self._switch(request, dag, pause=False) for dag in queryset)
        text = ngettext("%d DAG resumed.", "%d DAGs resumed.", done) % done
        self.message_user(request, text, messages.SUCCESS if done else messages.WARNING)

    def _switch(self, request: HttpRequest, dag: Dag, *, pause: bool) -> bool:
        if dag.deleted_at is not None:
            return False
        done = control.pause_dag(dag.dag_id) if pause else control.resume_dag(dag.dag_id)
        if done:
            self.log_change(request, dag, "paused" if pause else "resumed")
        return done

    # Pages

    def page(self, request: HttpRequest, row: Dag) -> HttpResponse:
        """The page of a DAG: what it is, its versions, its last runs, and the way to act."""
        dag = row
        live = dag.deleted_at is None
        context = self.page_context(
            request,
            title=dag.dag_id,
            dag=dag,
            switch=self.switch(dag),
            strip=self.last_runs(dag),
            runs=launching.run_lines(dag, _SHOWN) if may(request, "view_dagrun") else [],
            runs_url=list_url("dagrun", dag__id__exact=dag.pk),
            versions=version_page.version_lines(dag, _SHOWN) if may(request, "view_dagversion") else [],
            versions_url=list_url("dagversion", dag__id__exact=dag.pk),
            sees_templates=may(request, "view_dagtemplate"),
            may_publish=self.has_add_permission(request),
            may_design=live and dag.current_version_id and designing.may_see(request),
            may_run=live and dag.current_version_id and self.has_run_permission(request),
            may_control=live and self.has_control_permission(request),
            may_backfill=live and dag.current_version_id and backfilling.may_start(request),
            may_delete=live and may(request, "delete_dag"),
            may_restore=not live and may(request, "delete_dag"),
            **schedule.facts_of(dag, request),
        )
        return TemplateResponse(request, "workflows/admin/dag.html", context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Publish the first version of a new DAG."""
        return publishing.page(self, request, None)

    def new_designer_view(self, request: HttpRequest) -> HttpResponse:
        """Draw a new DAG; `?dag=` names one that was saved here, and leads to its own designer."""
        named = Dag.objects.live().filter(dag_id=request.GET.get("dag", "")).first()
        if named is not None:
            return HttpResponseRedirect(reverse("admin:workflows_dag_designer", args=[named.pk]))
        return designing.page(self, request, None)

    def designer_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Draw the next version of a DAG."""
        return designing.page(self, request, get_object_or_404(Dag.objects.live(), pk=pk))

    def new_version_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Publish the next version of a DAG."""
        return publishing.page(self, request, get_object_or_404(Dag, pk=pk))

    def run_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The launch form."""
        return launching.page(self, request, get_object_or_404(Dag.objects.live(), pk=pk))

    def backfill_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The form that starts a backfill."""
        return backfilling.page(self, request, get_object_or_404(Dag.objects.live(), pk=pk))

    def delete_softly_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Delete, after a look at what it touches."""
        return deleting.delete(self, request, get_object_or_404(Dag.objects.live(), pk=pk))

    def restore_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Bring a deleted DAG back."""
        return deleting.restore(self, request, get_object_or_404(Dag, pk=pk))

    def hook_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The secret of the webhook."""
        return hooking.page(self, request, get_object_or_404(Dag.objects.live(), pk=pk))

    def pause_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Pause from the DAG's page."""
        return self._switch_view(request, pk, pause=True)

    def resume_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Resume from the DAG's page."""
        return self._switch_view(request, pk, pause=False)

    def _switch_view(self, request: HttpRequest, pk: int, *, pause: bool) -> HttpResponse:
        if not self.has_control_permission(request):
            raise PermissionDenied
        dag = get_object_or_404(Dag.objects.live(), pk=pk)
        if request.method == "POST" and self._switch(request, dag, pause=pause):
            done = _("Paused: no new run starts.") if pause else _("Resumed: new runs may start.")
            self.message_user(request, done, messages.SUCCESS)
        return HttpResponseRedirect(dag_list.back(request) or reverse("admin:workflows_dag_change", args=[pk]))


@admin.register(DagVersion)
class DagVersionAdmin(ReadOnlyAdmin[DagVersion]):
    """Versions: immutable, each with its document and its plan."""

    list_display = (
        "label",
        "dag_link",
        "task_count",
        "note",
        "runs",
        "created_by",
        moment("created_at", _("published")),
    )
    list_filter = ("source_format", "created_at")
    search_fields = ("dag__dag_id", "note", "content_hash")
    date_hierarchy = "created_at"
    list_select_related = ("dag", "created_by")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DagVersion]:
        """Without documents and plans, which may be megabytes each."""
        rows = super().get_queryset(request).select_related("dag", "created_by", "dag__current_version")
        return rows.defer(*version_page.LARGE, *(f"dag__current_version__{name}" for name in version_page.LARGE))

    def get_urls(self) -> list[URLPattern]:
        """The document as plain text, beside Django's own pages."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/source/", view(self.source_view), name="workflows_dagversion_source"),
            path("<int:pk>/changes/", view(self.changes_view), name="workflows_dagversion_changes"),
            *super().get_urls(),
        ]

    @admin.display(description=_("version"), ordering="id")
    def label(self, version: DagVersion) -> str:
        return version_page.label(version)

    @admin.display(description=_("DAG"), ordering="dag__dag_id")
    def dag_link(self, version: DagVersion) -> SafeString:
        return link_to("dag", version.dag.pk, version.dag.dag_id)

    @admin.display(description=_("runs"))
    def runs(self, version: DagVersion) -> SafeString:
        return format_html('<a href="{}">{}</a>', list_url("dagrun", version__id__exact=version.pk), _("runs"))

    def page(self, request: HttpRequest, row: DagVersion) -> HttpResponse:
        """The page of a version: its document, and what the compiler made of it."""
        version = row
        context = self.page_context(request, **version_page.context(version))
        return TemplateResponse(request, "workflows/admin/version.html", context)

    def source_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The document byte for byte."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        version = get_object_or_404(DagVersion, pk=pk)
        return HttpResponse(version.source, content_type="text/plain; charset=utf-8")

    def changes_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """What changed from the version before."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        known = DagVersion.objects.filter(dag__deleted_at__isnull=True).select_related("dag")
        version = get_object_or_404(known.defer(*version_page.LARGE), pk=pk)
        context = self.page_context(request, **version_page.changes(version))
        return TemplateResponse(request, "workflows/admin/changes.html", context)
