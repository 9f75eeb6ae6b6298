"""What probes ask: is the process alive, may it get requests, does it all work? The only open addresses.

They say states and numbers: no name, no version, no address, no error text. The checks are the engine's, which
`manage.py doctor` shows in full.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from workflows.engine import health as engine_health
from workflows.engine.health import Check

log = logging.getLogger(__name__)
GRAVITY = ("ok", "warn", "fail")


@never_cache
@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """/healthz: the process answers. Asks nobody: a restart does not cure another server's trouble."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """/readyz: the database answers and has this release's tables."""
    return _answer(engine_health.database())


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """/health: everything that a run needs. 503 when a check fails; a warning alone is 200."""
    return _answer(engine_health.vital())


def _answer(checks: Iterable[Check]) -> JsonResponse:
    parts: dict[str, dict[str, Any]] = {}
    for check in checks:
        if check.status == "fail":
            log.warning("health: %s: %s", check.name, check.message)  # the answer must not say it
        if check.part:
            told = parts.setdefault(check.part, {"status": "ok"})
            told["status"] = max(told["status"], check.status, key=GRAVITY.index)
            told.update(check.facts)
    worst = max((told["status"] for told in parts.values()), key=GRAVITY.index, default="ok")
    return JsonResponse({"status": worst, "checks": parts}, status=503 if worst == "fail" else 200)
