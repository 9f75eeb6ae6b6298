"""What probes ask: is the process alive, may it get requests, does it all work? The only open addresses.

They say states and numbers: no name, no version, no address, no error text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from celery import current_app
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from kombu.exceptions import OperationalError

from workflows.conf import conf

log = logging.getLogger(__name__)
LAG_SECONDS = 60.0  # a ready task that waits longer is worth a look
Status = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found."""

    status: Status
    facts: dict[str, Any] = field(default_factory=dict)


@never_cache
@require_safe
def alive(request: HttpRequest) -> JsonResponse:
    """/healthz: the process answers. Asks nobody: a restart does not cure another server's trouble."""
    return JsonResponse({"status": "ok"})


@never_cache
@require_safe
def ready(request: HttpRequest) -> JsonResponse:
    """/readyz: the database answers and has this release's tables."""
    return _answer({"database": database(), "migrations": migrations()})


@never_cache
@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """/health: everything that a run needs. 503 when a check fails; a warning alone is 200."""
    return _answer(
        {
            "database": database(),
            "migrations": migrations(),
            "broker": broker(),
            "workers": workers(),
            "lag": lag(),
        }
    )


def _answer(checks: dict[str, Check]) -> JsonResponse:
    found = {check.status for check in checks.values()}
    worst = next((status for status in ("fail", "warn") if status in found), "ok")
    body = {
        "status": worst,
        "checks": {name: {"status": check.status, **check.facts} for name, check in checks.items()},
    }
    return JsonResponse(body, status=503 if worst == "fail" else 200)


def _asked(ask: Callable[[], Check]) -> Check:
    """A check of the database; an error is a failed check, and its text goes to the log alone."""
    try:
        return ask()
    except DatabaseError as error:
        log.warning("health: database: %s", str(error).strip())
        return Check(status="fail")


def _row(query: str, params: tuple[Any, ...] = ()) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return tuple(cursor.fetchone() or ())


def database() -> Check:
    """PostgreSQL answers."""
    return _asked(lambda: Check(status="ok" if _row("SELECT 1") == (1,) else "fail"))


_applied = False


def migrations() -> Check:
    """Every migration is applied. Once they are, they stay so: it is not asked again."""
    return _asked(_migrations)


def _migrations() -> Check:
    global _applied
    if not _applied:
        executor = MigrationExecutor(connection)
        _applied = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    return Check(status="ok" if _applied else "fail")


def broker() -> Check:
    """The broker answers."""
    try:
        with current_app.connection_for_read() as asked:
            asked.ensure_connection(max_retries=1, interval_start=0, interval_step=0, interval_max=0)
    except (OperationalError, OSError) as error:
        log.warning("health: broker: %s", str(error).strip())
        return Check(status="fail")
    return Check(status="ok")


_WORKERS = """
SELECT count(*), COALESCE(sum(concurrency), 0), COALESCE(sum(running), 0) FROM workflows_node
 WHERE stopped_at IS NULL AND heartbeat_at > now() - make_interval(secs => %s)
"""
_WAITING = """
SELECT count(*), COALESCE(EXTRACT(EPOCH FROM now() - min(t.queued_at)), 0)::float8
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.state = 'queued' AND r.state = 'running' AND r.paused_at IS NULL
"""


def workers() -> Check:
    """Workers that were heard of within a lease. None is a failure only while tasks wait for one."""

    def ask() -> Check:
        alive_now, slots, running = _row(_WORKERS, (conf.LEASE_SECONDS,))
        waiting = _row(_WAITING)[0]
        status: Status = "ok" if alive_now else "fail" if waiting else "warn"
        return Check(status=status, facts={"alive": alive_now, "slots": int(slots), "running": int(running)})

    return _asked(ask)


def lag() -> Check:
    """How long the oldest ready task has been waiting for a worker."""

    def ask() -> Check:
        waiting, seconds = _row(_WAITING)
        facts = {"waiting": waiting, "seconds": round(seconds, 3)}
        return Check(status="warn" if seconds > LAG_SECONDS else "ok", facts=facts)

    return _asked(ask)
