"""Django system checks: settings that Celeriac cannot work with are found by `manage.py check` and at start."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage, Error, register
from django.db import connections

from workflows import conf as conf_module
from workflows import failpoints
from workflows.executors import requirements


@register("celeriac")
def check_setting(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:
    """celeriac.E001: the CELERIAC setting can be read."""
    try:
        conf_module.read(getattr(settings, "CELERIAC", {}))
    except (conf_module.UnknownSetting, TypeError) as error:
        hint = "docs/reference/settings.md lists the names."
        return [Error(str(error), hint=hint, id="celeriac.E001")]
    return []


@register("celeriac")
def check_database(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:
    """celeriac.E002: the default database is PostgreSQL, by psycopg 3."""
    vendor = connections["default"].vendor
    if vendor != "postgresql":
        message = f"Celeriac needs PostgreSQL, and DATABASES['default'] is {vendor}."
        return [Error(message, hint='Use the engine "django.db.backends.postgresql".', id="celeriac.E002")]
    from django.db.backends.postgresql.psycopg_any import is_psycopg3

    if not is_psycopg3:
        message = "Celeriac needs psycopg 3, and Django found psycopg2 only."
        return [Error(message, hint='Install "psycopg[binary]>=3.2".', id="celeriac.E002")]
    return []


@register("celeriac")
def check_failpoints(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:
    """celeriac.W001: no failpoint is armed."""
    if failpoints.is_armed():
        message = "CELERIAC_FAILPOINTS is set: processes may kill, stop or delay themselves."
        return [checks.Warning(message, hint="Unset it; it is for tests.", id="celeriac.W001")]
    return []


@register("celeriac")
def check_celery(app_configs: Sequence[AppConfig] | None = None, **_: Any) -> list[CheckMessage]:
    """celeriac.E01x and W01x: Celery's settings are what Celeriac needs."""
    if check_setting():
        return []
    found: list[CheckMessage] = []
    for each in requirements.complaints():
        kind, letter = (Error, "E") if each.gravity == requirements.FATAL else (checks.Warning, "W")
        found.append(kind(each.message, hint=each.mend, id=f"celeriac.{letter}{10 + each.number:03}"))
    return found
