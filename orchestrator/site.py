"""The admin site of Celeriac's own project: our name, our app first, and what runs on the first page.

A host project keeps its own site; the model admins register there.
"""

from __future__ import annotations

from typing import Any

from django.contrib.admin import AdminSite
from django.http import HttpRequest
from django.template.response import TemplateResponse
from django.utils.translation import gettext_lazy as _

from orchestrator import navigation


class CeleriacSite(AdminSite):
    """The site that `orchestrator.apps.CeleriacAdminConfig` makes the default one."""

    site_header = "Celeriac"
    site_title = "Celeriac"
    index_title = _("Overview")
    site_url = None

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Our app first, its tables in the order of their use."""
        apps = super().get_app_list(request, app_label)
        for app in apps:
            if app["app_label"] == navigation.OURS:
                app["models"].sort(key=lambda model: _place(model["object_name"]))
        return sorted(apps, key=lambda app: app["app_label"] != navigation.OURS)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The first page, with the dashboard."""
        # Not at the top: the models' admins register on this site while it is being made.
        from workflows.admin import dashboard

        return super().index(request, {"dashboard": dashboard.context(request), **(extra_context or {})})


def _place(name: str) -> int:
    names = navigation.order()
    return names.index(name) if name in names else len(names)
