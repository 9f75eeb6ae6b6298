"""The Django app of the wiring; it holds the commands that start Celeriac."""

from __future__ import annotations

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class OrchestratorConfig(AppConfig):
    """No tables, two commands."""

    name = "orchestrator"
    verbose_name = "Orchestrator"


class CeleriacAdminConfig(admin_apps.AdminConfig):
    """Django's admin with our site as the default one."""

    default = False  # for this module; the settings name it
    default_site = "orchestrator.site.CeleriacSite"
