"""Where the doors are."""

from __future__ import annotations

from django.contrib import admin
from django.urls import URLPattern, URLResolver, include, path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from api.conf import PREFIX
from orchestrator import health

urlpatterns: list[URLPattern | URLResolver] = [
    path("", RedirectView.as_view(pattern_name="admin:index"), name="home"),
    path("admin/", admin.site.urls),
    path("language", set_language, name="set_language"),
    path(PREFIX.removeprefix("/"), include("api.urls")),
    # Exact paths: an exemption by prefix or suffix has opened other orchestrators to everybody.
    path("health", health.health, name="health"),
    path("healthz", health.alive, name="healthz"),
    path("readyz", health.ready, name="readyz"),
]

handler400 = "api.errors.bad_request"
handler404 = "api.errors.not_found"
handler500 = "api.errors.server_error"
