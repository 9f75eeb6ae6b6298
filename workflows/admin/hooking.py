"""The page on which the secret of a DAG's webhook is made, shown once, and ended."""

from __future__ import annotations

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import NoReverseMatch, reverse
from django.utils.translation import gettext as _

from workflows.admin.bases import SkinnedAdmin, may
from workflows.engine import hooks
from workflows.models import Dag


def page(admin: SkinnedAdmin[Dag], request: HttpRequest, dag: Dag) -> HttpResponse:
    """Ask what to do; on POST do it, and show the new secret on the answer itself, which nothing keeps."""
    if not (may(request, "change_dag") and may(request, "add_dagrun")):
        raise PermissionDenied
    secret = ""
    if request.method == "POST" and "close" in request.POST:
        if hooks.close_hook(dag.dag_id):
            admin.log_change(request, dag, "webhook ended")
            admin.message_user(request, _("The webhook of {} has ended.").format(dag.dag_id))
        return HttpResponseRedirect(reverse("admin:workflows_dag_change", args=[dag.pk]))
    if request.method == "POST":
        secret = hooks.open_hook(dag.dag_id, keep="keep" in request.POST)
        admin.log_change(request, dag, "new secret for the webhook")
    context = admin.page_context(
        request,
        title=_("Webhook of {}").format(dag.dag_id),
        dag=dag,
        secret=secret,
        address=_address(request, dag),
        has_hook=bool(secret or dag.hook_nonce),
    )
    answer = TemplateResponse(request, "workflows/admin/hook.html", context)
    answer["Cache-Control"] = "no-store"
    return answer


def _address(request: HttpRequest, dag: Dag) -> str:
    """Where to send to; empty in a project without our API."""
    try:
        return request.build_absolute_uri(reverse("api:hook", kwargs={"dag_id": dag.dag_id}))
    except NoReverseMatch:
        return ""
