"""Approvals: what people are asked, and the page on which they answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.contrib.auth.models import AbstractUser
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from workflows.admin import show
from workflows.admin.bases import BigTableAdmin, link_to, may, moment
from workflows.admin.filters import OpenFilter
from workflows.core.errors import CeleriacError
from workflows.core.states import TaskState
from workflows.engine import approvals, phrases, plans
from workflows.models import Approval, TaskExecution

_ABOVE_SHOWN = 20
_OUTPUT_SHOWN = 2_000  # characters


class AnswerForm(forms.Form):
    """Yes or no (the button that was pressed), and what there is to say."""

    comment = forms.CharField(
        label=gettext_lazy("Comment"),
        required=False,
        max_length=10_000,
        widget=forms.Textarea(attrs={"rows": 3}),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Above:
    """A task above the one that asks, with what it found."""

    id: int
    name: str
    badge: SafeString
    output: str


@admin.register(Approval)
class ApprovalAdmin(BigTableAdmin[Approval]):
    """Who may see all approvals sees them; everybody else sees the open ones that they may answer."""

    list_display = ("number", "task", "run", "status", "who", moment("created_at", gettext_lazy("asked")), "answer")
    list_filter = (OpenFilter, "created_at")
    search_fields = ("=id", "=task_execution__run__id", "task_execution__task_id", "prompt")
    search_help_text = gettext_lazy("Number, run number, task id or question.")

    def get_queryset(self, request: HttpRequest) -> QuerySet[Approval]:
        """Those that the user may see."""
        rows = super().get_queryset(request)
        if not may(request, "view_approval"):
            rows = rows.filter(pk__in=_open_to(request).values("pk"))
        related = rows.select_related("task_execution__run__dag", "answered_by")
        return related.defer("task_execution__output")

    def has_view_permission(self, request: HttpRequest, obj: Approval | None = None) -> bool:
        """Whoever is asked may look, without any further permission."""
        return may(request, "view_approval") or _open_to(request).exists()

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The same, for the menu."""
        return super().has_module_permission(request) or self.has_view_permission(request)

    # Columns

    @admin.display(description=gettext_lazy("approval"))
    def number(self, approval: Approval) -> str:
        return _("approval {}").format(approval.pk)

    @admin.display(description=gettext_lazy("task"))
    def task(self, approval: Approval) -> str:
        return approval.task_execution.task_id

    @admin.display(description=gettext_lazy("run"))
    def run(self, approval: Approval) -> str:
        run = approval.task_execution.run
        return f"{run.dag.dag_id} · {_('run {}').format(run.pk)}"

    @admin.display(description=gettext_lazy("state"))
    def status(self, approval: Approval) -> str:
        return said(approval)

    @admin.display(description=gettext_lazy("who may answer"))
    def who(self, approval: Approval) -> str:
        return whom(approval)

    @admin.display(description=gettext_lazy("answered by"))
    def answer(self, approval: Approval) -> str:
        return approval.answered_by.get_username() if approval.answered_by else ""

    # The page

    def page(self, request: HttpRequest, row: Approval) -> HttpResponse:
        """The question with its run; on POST the answer."""
        form = AnswerForm(request.POST or None)
        user = request.user
        said_so = "approve" in request.POST or "reject" in request.POST
        if request.method == "POST" and said_so and form.is_valid() and isinstance(user, AbstractUser):
            return self._answered(request, row, user, form.cleaned_data["comment"])
        context = self.page_context(
            request,
            title=_("approval {}").format(row.pk),
            approval=row,
            state=said(row),
            who=whom(row),
            form=form,
            may_answer=is_open(row) and isinstance(user, AbstractUser) and approvals.may_answer(row, user),
            **_surroundings(request, row.task_execution),
        )
        return TemplateResponse(request, "workflows/admin/approval.html", context)

    def _answered(self, request: HttpRequest, row: Approval, user: AbstractUser, comment: str) -> HttpResponse:
        approved = "approve" in request.POST
        try:
            approvals.answer(row.pk, user, approved=approved, comment=comment)
        except CeleriacError as error:
            self.message_user(request, phrases.error(error), messages.ERROR)
            return HttpResponseRedirect(reverse("admin:index"))
        self.log_change(request, row, "approved" if approved else "rejected")
        self.message_user(request, _("Approved.") if approved else _("Rejected."), messages.SUCCESS)
        more = self.has_view_permission(request)  # it may have been the last one that this user was asked
        return HttpResponseRedirect(reverse("admin:workflows_approval_changelist" if more else "admin:index"))


def _open_to(request: HttpRequest) -> QuerySet[Approval]:
    user = request.user
    return approvals.open_to(user) if isinstance(user, AbstractUser) else Approval.objects.none()


def is_open(approval: Approval) -> bool:
    """Whether it can be answered now."""
    task = approval.task_execution
    return approval.closed_at is None and task.state == TaskState.DEFERRED and task.attempt == approval.attempt


def said(approval: Approval) -> str:
    """How it stands, for people."""
    if is_open(approval):
        return _("open")
    if approval.approved is None:
        return _("closed without an answer")
    return _("approved") if approval.approved else _("rejected")


def whom(approval: Approval) -> str:
    """Who may answer, for people."""
    groups = [_("group {}").format(name) for name in approval.groups]
    return ", ".join([*approval.users, *groups]) or _("everybody who may operate runs")


def _surroundings(request: HttpRequest, task: TaskExecution) -> dict[str, Any]:
    """What the user may know of the run: its parameters, and the tasks above the one that asks."""
    sees_run, sees_tasks = may(request, "view_dagrun"), may(request, "view_taskexecution")
    return {
        "task": task,
        "run": task.run,
        "sees_run": sees_run,
        "sees_tasks": sees_tasks,
        "run_state": show.badge(task.run.state),
        "params": show.pretty(task.run.params) if sees_run and task.run.params else "",
        "above": _above(task) if sees_tasks else [],
        "dag_link": link_to("dag", task.run.dag.pk, task.run.dag.dag_id) if may(request, "view_dag") else "",
    }


def _above(task: TaskExecution) -> list[Above]:
    plan = plans.readable(task.run.version_id)
    positions = plan.tasks[task.position].upstream[:_ABOVE_SHOWN] if plan else ()
    rows = TaskExecution.objects.filter(run_id=task.run_id, position__in=positions, map_index=-1).order_by("position")
    return [
        Above(
            id=row.pk,
            name=row.task_id,
            badge=show.badge(row.state),
            output=show.pretty(row.output)[:_OUTPUT_SHOWN] if row.output is not None else "",
        )
        for row in rows
    ]
