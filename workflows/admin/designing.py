"""The page of the designer: a DAG drawn, or a new one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.translation import gettext as _

from workflows.admin.bases import may
from workflows.admin.mounting import props
from workflows.models import Dag

if TYPE_CHECKING:
    from workflows.admin.definition import DagAdmin

_ANY = 0  # stands for an id in an address that the browser fills in


def may_see(request: HttpRequest) -> bool:
    """Whether the user may open the designer; saving asks for more."""
    return may(request, "view_dag") and may(request, "view_dagversion")


def page(admin: DagAdmin, request: HttpRequest, dag: Dag | None) -> HttpResponse:
    """The designer on a DAG's current version, or on an empty document."""
    if not may_see(request) or (dag is None and not admin.has_add_permission(request)):
        raise PermissionDenied
    context = admin.page_context(
        request,
        title=_("Design %(dag)s") % {"dag": dag.dag_id} if dag else _("Design a DAG"),
        dag=dag,
        is_popup=False,
        props=props(
            request,
            dag=dag.dag_id if dag else None,
            template=dag.template.name if dag and dag.template else None,
            user=request.user.get_username(),
            links={
                "dag": reverse("admin:workflows_dag_change", args=[_ANY]),
                "dags": reverse("admin:workflows_dag_changelist"),
                "run": reverse("admin:workflows_dagrun_change", args=[_ANY]),
            },
            dag_pk=dag.pk if dag else None,
            version=dag.current_version.number if dag and dag.current_version else None,
        ),
    )
    return TemplateResponse(request, "workflows/admin/designer.html", context)
