"""Task executions and their attempts."""

from __future__ import annotations

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from workflows.admin import filters, show, task_page
from workflows.admin.bases import BigTableAdmin, link_to, live_part, may, moment
from workflows.engine import queries
from workflows.models import TaskAttempt, TaskExecution


@admin.register(TaskExecution)
class TaskExecutionAdmin(BigTableAdmin[TaskExecution]):
    """Tasks of runs."""

    list_display = (
        "task",
        "run_link",
        "dag_link",
        "status",
        "why",
        "attempt",
        "node",
        moment("started_at", _("started")),
        "took",
    )
    list_filter = ("state", filters.ProgressFilter, "held", "reason", "started_at")
    search_fields = ("=run__id", "task_id", "node")
    search_help_text = _("Run number, task id or node.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskExecution]:
        """With run and DAG, without outputs."""
        return super().get_queryset(request).select_related("run__dag").defer("output", "item", "run__params")

    def get_urls(self) -> list[URLPattern]:
        """The live part and the log as text, beside Django's own pages."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/fragment/", view(self.fragment_view), name="workflows_taskexecution_fragment"),
            path("<int:pk>/log/<int:attempt>/", view(self.log_view), name="workflows_taskexecution_log"),
            *super().get_urls(),
        ]

    @admin.display(description=_("task"))
    def task(self, task: TaskExecution) -> str:
        return task.task_id if task.map_index < 0 else f"{task.task_id}[{task.map_index}]"

    @admin.display(description=_("run"))
    def run_link(self, task: TaskExecution) -> SafeString:
        return link_to("dagrun", task.run_id, _("run {}").format(task.run_id))

    @admin.display(description=_("DAG"))
    def dag_link(self, task: TaskExecution) -> SafeString:
        return link_to("dag", task.run.dag.pk, task.run.dag.dag_id)

    @admin.display(description=_("state"))
    def status(self, task: TaskExecution) -> SafeString:
        return show.badge(task.state)

    @admin.display(description=_("reason"))
    def why(self, task: TaskExecution) -> str:
        return show.reason(task.reason)

    @admin.display(description=_("duration"))
    def took(self, task: TaskExecution) -> str:
        return show.duration(task.started_at, task.ended_at)

    def page(self, request: HttpRequest, row: TaskExecution) -> HttpResponse:
        """The page of a task."""
        task = row
        context = self.page_context(
            request,
            title=self.task(task),
            live=task_page.is_live(task),
            fragment_url=task_page.fragment_url(request, task),
            **task_page.context(request, task),
        )
        return TemplateResponse(request, "workflows/admin/task.html", context)

    def fragment_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """The live part of the page alone."""
        if not self.has_view_permission(request):
            raise PermissionDenied
        task = get_object_or_404(self.get_queryset(request), pk=pk)
        request.current_app = self.admin_site.name
        page = TemplateResponse(request, "workflows/admin/_task.html", task_page.context(request, task))
        return live_part(page, task_page.is_live(task))

    def log_view(self, request: HttpRequest, pk: int, attempt: int) -> HttpResponse:
        """The whole stored log of an attempt as text."""
        if not self.has_view_permission(request) or not may(request, "view_logchunk"):
            raise PermissionDenied
        get_object_or_404(TaskExecution.objects.only("pk"), pk=pk)
        text = "".join(chunk.text for chunk in queries.all_log_chunks(pk, attempt))
        response = HttpResponse(text, content_type="text/plain; charset=utf-8")
        response["X-Content-Type-Options"] = "nosniff"
        return response


@admin.register(TaskAttempt)
class TaskAttemptAdmin(BigTableAdmin[TaskAttempt]):
    """Attempts: who ran what, and how it ended."""

    list_display = (
        "label",
        "task_link",
        "run_link",
        "how",
        "why",
        "node",
        moment("started_at", _("started")),
        "took",
    )
    list_filter = ("end", "reason", "started_at")
    search_fields = ("=task_execution__run__id", "task_execution__task_id", "node", "message")
    search_help_text = _("Run number, task id, node or message.")
    fields = (
        "task_link",
        "run_link",
        "number",
        "how",
        "why",
        "message",
        "node",
        "started_at",
        "ended_at",
        "took",
    )

    def get_queryset(self, request: HttpRequest) -> QuerySet[TaskAttempt]:
        """With the task's name, without its output."""
        rows = super().get_queryset(request).select_related("task_execution")
        return rows.defer("task_execution__output", "task_execution__message")

    @admin.display(description=_("attempt"))
    def label(self, attempt: TaskAttempt) -> str:
        return _("attempt {}").format(attempt.number)

    @admin.display(description=_("task"))
    def task_link(self, attempt: TaskAttempt) -> SafeString:
        return link_to("taskexecution", attempt.task_execution_id, attempt.task_execution.task_id)

    @admin.display(description=_("run"))
    def run_link(self, attempt: TaskAttempt) -> SafeString:
        run_id = attempt.task_execution.run_id
        return link_to("dagrun", run_id, _("run {}").format(run_id))

    @admin.display(description=_("end"))
    def how(self, attempt: TaskAttempt) -> SafeString:
        return show.badge(attempt.end or "running")

    @admin.display(description=_("reason"))
    def why(self, attempt: TaskAttempt) -> str:
        return show.reason(attempt.reason)

    @admin.display(description=_("duration"))
    def took(self, attempt: TaskAttempt) -> str:
        return show.duration(attempt.started_at, attempt.ended_at)
