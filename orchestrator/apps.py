"""The Django app of the wiring; it holds the commands that start Celeriac."""

from __future__ import annotations

from django.apps import AppConfig


class OrchestratorConfig(AppConfig):
    """No tables, two commands."""

    name = "orchestrator"
    verbose_name = "Orchestrator"
