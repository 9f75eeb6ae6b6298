"""Is everything there that a run needs, and if not, what mends it? Reads only."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now

from workflows.conf import conf
from workflows.executors import requirements
from workflows.models import BrokerMark, Node, NodePool

Status = Literal["ok", "warn", "fail"]
OLDEST_POSTGRES = 150_000
LAG_SECONDS = 60.0
SKEW_SECONDS = 2.0
LITTLE_DISK, NO_DISK = 1 << 30, 100 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one look found. `mend` says what to do, and is empty when nothing is to be done."""

    name: str
    status: Status
    message: str
    mend: str = ""


def checks() -> Iterator[Check]:
    """Everything, in the order in which one thing needs another."""
    found = list(database())
    yield from found
    if not any(check.status == "fail" for check in found):
        for look in (workers, backlog, reconciler, clock):
            yield from _asked(look)
    yield from broker()
    yield from celery_settings()
    yield disk()


def _asked(look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from list(look())
    except DatabaseError as error:
        yield Check(name=look.__name__, status="fail", message=f"the database refused: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _row(query: str, params: tuple[Any, ...] = ()) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return tuple(cursor.fetchone() or ())


_SERVER = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('fsync')
"""


def database() -> Iterator[Check]:
    """PostgreSQL answers, is new enough, and has this release's tables."""
    try:
        number, version, fsync = _row(_SERVER)
        executor = MigrationExecutor(connection)
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        mend = "Start PostgreSQL (`manage.py standalone`), or correct DATABASE_URL."
        yield Check(name="database", status="fail", message=f"does not answer: {_first_line(error)}", mend=mend)
        return
    if number < OLDEST_POSTGRES:
        message = f"PostgreSQL {version} is too old"
        yield Check(name="database", status="fail", message=message, mend="Upgrade it to 15 or later.")
    elif fsync == "off":
        message, mend = f"PostgreSQL {version} runs without fsync", "Switch fsync on, or a power cut loses runs."
        yield Check(name="database", status="warn", message=message, mend=mend)
    else:
        yield Check(name="database", status="ok", message=f"PostgreSQL {version}")
    if missing:
        message = f"{len(missing)} are not applied, the first is {missing[0][0]}"
        yield Check(name="migrations", status="fail", message=message, mend="Run `manage.py migrate`.")
    else:
        yield Check(name="migrations", status="ok", message="all applied")


def workers() -> Iterator[Check]:
    """A worker that was heard of within a lease takes the queue of each pool."""
    heard = Now() - timedelta(seconds=conf.LEASE_SECONDS)
    alive = list(Node.objects.filter(stopped_at__isnull=True, heartbeat_at__gt=heard))
    for pool in NodePool.objects.values_list("name", flat=True):
        queue = conf.queue_of(pool)
        names = [node.name for node in alive if queue in node.queues]
        slots = sum(node.concurrency for node in alive if queue in node.queues)
        if names:
            message = f"{len(names)} on queue {queue} with {slots} processes: {', '.join(sorted(names)[:5])}"
            yield Check(name=f"workers of {pool}", status="ok", message=message)
            continue
        waiting = _row("SELECT count(*) FROM workflows_taskexecution WHERE state = 'queued' AND queue = %s", (queue,))[
            0
        ]
        yield Check(
            name=f"workers of {pool}",
            status="fail" if waiting else "warn",
            message=f"none takes queue {queue}" + (f", where {waiting} tasks wait" if waiting else ""),
            mend=f"Start one: `celery -A <your project> worker -Q {queue}`.",
        )


_LAG = """
SELECT count(*), COALESCE(EXTRACT(EPOCH FROM now() - min(t.queued_at)), 0)::float8
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.state = 'queued' AND r.state = 'running' AND r.paused_at IS NULL
"""


def backlog() -> Iterator[Check]:
    """No ready task has waited for long."""
    waiting, seconds = _row(_LAG)
    late = seconds > LAG_SECONDS
    message = f"{waiting} tasks are ready" + (f", the oldest for {seconds:.0f} s" if waiting else "")
    mend = "Start more workers, or look for tasks that hold them." if late else ""
    yield Check(name="backlog", status="warn" if late else "ok", message=message, mend=mend)


def reconciler() -> Iterator[Check]:
    """Somebody swept lately: only the reconciler finds lost work and starts retries."""
    mark = BrokerMark.objects.filter(name="sweep").first()
    now = _row("SELECT now()")[0]
    age = (now - mark.at).total_seconds() if mark else None
    if age is not None and mark is not None and age < 15 + 5 * conf.SWEEP_SECONDS:
        yield Check(name="reconciler", status="ok", message=f"swept {age:.0f} s ago ({mark.value})")
        return
    message = "never swept" if age is None else f"swept {age:.0f} s ago for the last time"
    mend = "Start `manage.py reconcile --forever`: without it retries do not start and lost work stays lost."
    yield Check(name="reconciler", status="fail", message=message, mend=mend)


def clock() -> Iterator[Check]:
    """This machine's clock and PostgreSQL's agree. Leases follow PostgreSQL's alone; people and schedules see both."""
    before = datetime.now(UTC)
    theirs = _row("SELECT clock_timestamp()")[0]
    skew = (theirs - (before + (datetime.now(UTC) - before) / 2)).total_seconds()
    late = abs(skew) > SKEW_SECONDS
    mend = "Synchronise both by NTP." if late else ""
    yield Check(
        name="clock", status="warn" if late else "ok", message=f"the database is {skew:+.3f} s from here", mend=mend
    )


def broker() -> Iterator[Check]:
    """The broker answers, drops nothing when it is full, and keeps its queues over a restart."""
    told = requirements.ask_broker()
    name = f"{told.kind} {told.version or ''}".strip()
    if told.error:
        mend = "Start Redis or Valkey (`manage.py standalone`), or correct BROKER_URL."
        yield Check(name="broker", status="fail", message=f"{name} does not answer: {told.error}", mend=mend)
        return
    if told.eviction not in (None, "noeviction"):
        mend = "Set maxmemory-policy to noeviction: a full broker must refuse messages, not drop them."
        yield Check(name="broker", status="fail", message=f"{name} has maxmemory-policy {told.eviction}", mend=mend)
        return
    if told.append_only is False:
        mend = "Set appendonly to yes. Without it a restart costs a sweep; no work is lost."
        yield Check(name="broker", status="warn", message=f"{name} forgets its queues when it stops", mend=mend)
        return
    yield Check(name="broker", status="ok", message=name)


def celery_settings() -> Iterator[Check]:
    """Celery's settings are what Celeriac needs."""
    found = list(requirements.complaints())
    for each in found:
        status: Status = "fail" if each.gravity == requirements.FATAL else "warn"
        yield Check(name="celery", status=status, message=each.message, mend=each.mend)
    if not found:
        yield Check(name="celery", status="ok", message="the settings fit")


def disk() -> Check:
    """Tasks have room for their scratch files."""
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    status: Status = "fail" if free < NO_DISK else "warn" if free < LITTLE_DISK else "ok"
    mend = "" if status == "ok" else "Free some space, or set TMPDIR to a disk that has some."
    return Check(name="disk", status=status, message=f"{free / (1 << 30):.1f} GiB are free in {folder}", mend=mend)
