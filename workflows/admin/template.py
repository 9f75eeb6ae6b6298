"""Templates: what they take, what was made from them, and the pages that write, generate, regenerate and delete."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.utils.translation import gettext_lazy as _

from workflows.admin import template_pages
from workflows.admin.bases import ReadOnlyAdmin, may, moment
from workflows.admin.publishing import problem_lines
from workflows.engine import templates
from workflows.models import DagTemplate

_SHOWN = 200


@admin.register(DagTemplate)
class TemplateAdmin(ReadOnlyAdmin[DagTemplate]):
    """Templates of DAGs."""

    list_display = ("name", "title", "dag_count", moment("updated_at", _("updated")))
    search_fields = ("name", "title", "description")
    date_hierarchy = "created_at"
    list_filter = ("updated_at",)
    ordering = ("name",)

    # Storing is what adding and changing mean here.
    def has_add_permission(self, request: HttpRequest) -> bool:
        return template_pages.may_store(request)

    def get_queryset(self, request: HttpRequest) -> QuerySet[DagTemplate]:
        """With the number of DAGs, without documents."""
        live = Count("dags", filter=Q(dags__deleted_at__isnull=True))
        return super().get_queryset(request).defer("document").annotate(made=live)

    @admin.display(description=_("DAGs"), ordering="made")
    def dag_count(self, row: DagTemplate) -> int:
        return int(row.made)  # type: ignore[attr-defined]

    def get_urls(self) -> list[URLPattern]:
        """The pages of a template beside Django's own."""
        view = self.admin_site.admin_view
        return [
            path("<int:pk>/edit/", view(self.edit_view), name="workflows_dagtemplate_edit"),
            path("<int:pk>/generate/", view(self.generate_view), name="workflows_dagtemplate_generate"),
            path("<int:pk>/regenerate/", view(self.regenerate_view), name="workflows_dagtemplate_regenerate"),
            path("<int:pk>/remove/", view(self.remove_view), name="workflows_dagtemplate_remove"),
            *super().get_urls(),
        ]

    def page_of(self, row: DagTemplate) -> str:
        """The address of a template's page."""
        return reverse("admin:workflows_dagtemplate_change", args=[row.pk])

    def page(self, request: HttpRequest, row: DagTemplate) -> HttpResponse:
        """The page of a template."""
        specs, broken = template_pages.params_of(row)
        made = list(templates.made_from(row)[:_SHOWN]) if may(request, "view_dag") else []
        context = self.page_context(
            request,
            title=row.name,
            row=row,
            declared=list(specs.items()),
            problems=problem_lines(row.source, broken),
            dags=template_pages.with_values(made),
            hidden=max(0, templates.made_from(row).count() - _SHOWN) if len(made) == _SHOWN else 0,
            may_store=self.has_add_permission(request),
            may_generate=template_pages.may_generate(request),
            may_delete=may(request, "delete_dagtemplate"),
        )
        return TemplateResponse(request, "workflows/admin/template.html", context)

    def add_view(
        self, request: HttpRequest, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Write a new template."""
        return template_pages.edit(self, request, None)

    def edit_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Write it anew."""
        return template_pages.edit(self, request, get_object_or_404(DagTemplate, pk=pk))

    def generate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Generate a DAG; `?dag=ID` fills in the values of one that was made before."""
        row = get_object_or_404(DagTemplate, pk=pk)
        dag = templates.made_from(row).filter(dag_id=request.GET.get("dag", "")).first()
        return template_pages.generate(self, request, row, dag)

    def regenerate_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Regenerate its DAGs."""
        return template_pages.regenerate(self, request, get_object_or_404(DagTemplate, pk=pk))

    def remove_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Delete it."""
        return template_pages.delete(self, request, get_object_or_404(DagTemplate, pk=pk))
