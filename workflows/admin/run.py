"""Runs: the list, the page that follows one, and the actions."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from workflows.admin import filters, run_actions, run_page, show, surgery_pages, version_page
from workflows.admin.bases import BigTableAdmin, link_to, live_part, may, moment
from workflows.models import DagRun

_PLACES = {"delete": "delete-softly"}  # Django's own page for deleting rows has the other address
_VERSION = tuple(f"version__{name}" for name in version_page.LARGE)


@admin.register(DagRun)
class DagRunAdmin(BigTableAdmin[DagRun]):
    """Runs: what happened, and cancel, pause, resume."""

    list_display = (
        "number",
        "dag_link",
        "status",
        "version_link",
        "tasks",
        "trigger",
        "by",
        moment("started_at", _("started")),
        "took",
    )
    list_filter = (filters.DeletedFilter, "state", filters.ProgressFilter, "trigger", "reason", "created_at")
    search_fields = ("=id", "dag__dag_id", "external_id")
    search_help_text = _("Run number, DAG id or external id.")
    actions = ("retry_runs", "cancel_runs", "pause_runs", "resume_runs", "delete_runs", "restore_runs")

    def has_control_permission(self, request: HttpRequest) -> bool:
        """Whether the user may cancel, pause and resume."""
        return may(request, "change_dagrun")

    def has_remove_permission(self, request: HttpRequest) -> bool:
        """Whether the user may delete and restore."""
        return may(request, "delete_dagrun")

    def get_queryset(self, request: HttpRequest) -> QuerySet[DagRun]:
        """With DAG, version and user, without documents and plans."""
        rows = super().get_queryset(request).select_related("dag", "version", "triggered_by", "parent")
        return rows.defer(*_VERSION, "parent__output", "parent__message")

    def get_urls(self) -> list[URLPattern]:
        """The live part, and the confirmation pages, beside Django's own."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/fragment/", view(self.fragment_view), name="workflows_dagrun_fragment"),
            *(
                path(
                    f"<int:pk>/{place}/",
                    view(self.control_view),
                    {"verb": name},
                    name=f"workflows_dagrun_{place.replace('-', '_')}",
                )
                for name, place in ((name, _PLACES.get(name, name)) for name in run_actions.VERBS)
            ),
            *(
                path(f"<int:pk>/{cut.name}/", view(self.surgery_view), {"name": cut.name}, name=cut.view)
                for cut in surgery_pages.CUTS.values()
            ),
            *super().get_urls(),
        ]

    # Columns

    @admin.display(description=_("run"))
    def number(self, run: DagRun) -> str:
        return _("run {}").format(run.pk)

    @admin.display(description=_("DAG"))
    def dag_link(self, run: DagRun) -> SafeString:
        return link_to("dag", run.dag.pk, run.dag.dag_id)

    @admin.display(description=_("state"))
    def status(self, run: DagRun) -> SafeString:
        paused = run.paused_at is not None and run.ended_at is None
        return format_html("{} {}", show.badge(run.state), show.badge("paused") if paused else "")

    @admin.display(description=_("version"))
    def version_link(self, run: DagRun) -> SafeString:
        return link_to("dagversion", run.version.pk, f"v{run.version.number}")

    @admin.display(description=_("tasks"))
    def tasks(self, run: DagRun) -> SafeString:
        url = reverse("admin:workflows_taskexecution_changelist", query={"run__id__exact": run.pk})
        return format_html('<a href="{}">{}</a>', url, run.version.task_count)

    @admin.display(description=_("by"))
    def by(self, run: DagRun) -> str:
        return run.triggered_by.get_username() if run.triggered_by else ""

    @admin.display(description=_("duration"))
    def took(self, run: DagRun) -> str:
        return show.duration(run.started_at, run.ended_at)

    # Actions

    @admin.action(description=_("Retry what failed…"), permissions=["control"])
    def retry_runs(self, request: HttpRequest, queryset: QuerySet[DagRun]) -> HttpResponse:
        """Run again what did not succeed, after a preview."""
        return surgery_pages.answer_many(self, request, queryset, "retry")

    @admin.action(description=_("Cancel…"), permissions=["control"])
    def cancel_runs(self, request: HttpRequest, queryset: QuerySet[DagRun]) -> HttpResponse:
        """End runs, after a confirmation."""
        return run_actions.answer(self, request, queryset, "cancel", back=run_actions.list_page())

    @admin.action(description=_("Pause…"), permissions=["control"])
    def pause_runs(self, request: HttpRequest, queryset: QuerySet[DagRun]) -> HttpResponse:
        """Let no further task start, after a confirmation."""
        return run_actions.answer(self, request, queryset, "pause", back=run_actions.list_page())

    @admin.action(description=_("Resume…"), permissions=["control"])
    def resume_runs(self, request: HttpRequest, queryset: QuerySet[DagRun]) -> HttpResponse:
        """Let paused runs go on, after a confirmation."""
        return run_actions.answer(self, request, queryset, "resume", back=run_actions.list_page())

    @admin.action(description=_("Delete…"), permissions=["remove"])
    def delete_runs(self, request: HttpRequest, queryset: QuerySet[DagRun]) -> HttpResponse:
        """Hide runs that have ended, after a confirmation."""
        return run_actions.answer(self, request, queryset, "delete", back=run_actions.list_page())

    @admin.action(description=_("Restore…"), permissions=["remove"])
    def restore_runs(self, request: HttpRequest, queryset: QuerySet[DagRun]) -> HttpResponse:
        """Show deleted runs again, after a confirmation."""
        return run_actions.answer(self, request, queryset, "restore", back=run_actions.list_page())

    # Pages

    def page(self, request: HttpRequest, row: DagRun) -> HttpResponse:
        """The page of a run."""
        run = row
        context = self.page_context(
            request,
            title=f"{run.dag.dag_id} · {_('run {}').format(run.pk)}",
            live=run.ended_at is None,
            fragment_url=run_page.fragment_url(request, run),
            app_props=run_page.app_props(request, run),
            **run_page.context(request, run),
        )
        return TemplateResponse(request, "workflows/admin/run.html", context)

    def fragment_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The live part of the page alone."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        run = get_object_or_404(self.get_queryset(request), pk=pk)
        request.current_app = self.admin_site.name
        context = run_page.context(request, run)
        return live_part(TemplateResponse(request, "workflows/admin/_run.html", context), run.ended_at is None)

    def control_view(self, request: HttpRequest, pk: int, verb: str) -> HttpResponse:
        """Cancel, pause or resume from the run's page."""
        runs = self.get_queryset(request).filter(pk=get_object_or_404(DagRun, pk=pk).pk)
        return run_actions.answer(self, request, runs, verb, back=reverse("admin:workflows_dagrun_change", args=[pk]))

    def surgery_view(self, request: HttpRequest, pk: int, name: str) -> HttpResponse:
        """Retry, run again or mark, from the run's page."""
        return surgery_pages.answer(self, request, get_object_or_404(self.get_queryset(request), pk=pk), name)
