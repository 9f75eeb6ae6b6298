"""Delete and restore a DAG from its page: first what is touched, then the deed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from workflows.admin.bases import may
from workflows.core.errors import CeleriacError
from workflows.engine import deletion, phrases
from workflows.models import Dag

if TYPE_CHECKING:
    from workflows.admin.definition import DagAdmin


def delete(admin: DagAdmin, request: HttpRequest, dag: Dag) -> HttpResponse:
    """The page that asks; on POST the deed."""
    if not may(request, "delete_dag"):
        raise PermissionDenied
    back = reverse("admin:workflows_dag_change", args=[dag.pk])
    may_cancel = may(request, "change_dagrun")
    if request.method == "POST":
        by = request.user.get_username() if isinstance(request.user, AbstractBaseUser) else ""
        try:
            deletion.delete_dag(dag.dag_id, cancel_runs=may_cancel and "cancel_runs" in request.POST, by=by)
        except CeleriacError as error:
            admin.message_user(request, phrases.error(error), messages.ERROR)
        else:
            admin.log_change(request, dag, "deleted")
            admin.message_user(request, _("Deleted; it can be restored until it is pruned."), messages.SUCCESS)
        return HttpResponseRedirect(back)
    shown = deletion.preview_dag(dag.dag_id)
    context = admin.page_context(
        request, title=_("Delete %s") % dag.dag_id, dag=dag, shown=shown, may_cancel=may_cancel, back=back
    )
    return TemplateResponse(request, "workflows/admin/dag_delete.html", context)


def restore(admin: DagAdmin, request: HttpRequest, dag: Dag) -> HttpResponse:
    """Bring it back."""
    if not may(request, "delete_dag"):
        raise PermissionDenied
    if request.method == "POST" and deletion.restore_dag(dag.dag_id):
        admin.log_change(request, dag, "restored")
        admin.message_user(request, _("It is back."), messages.SUCCESS)
    return HttpResponseRedirect(reverse("admin:workflows_dag_change", args=[dag.pk]))
