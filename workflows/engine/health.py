"""Is everything there that a run needs, and if not, what mends it? Reads only.

One set of checks for `manage.py doctor`, which shows them all, and for the addresses of probes, which show the states
and the numbers of those that speak of this moment.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from django.db import Error as DatabaseError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.models.functions import Now

from workflows.conf import conf
from workflows.engine import marks, standstill
from workflows.executors import requirements
from workflows.models import Node, NodePool

Status = Literal["ok", "warn", "fail"]
OLDEST_POSTGRES = 150_000
LAG_SECONDS = 60.0
SKEW_SECONDS = 2.0
BEAT_SECONDS = 60.0  # beat ticks every ten
OVERDUE_SECONDS = 60.0
LITTLE_DISK, NO_DISK = 1 << 30, 100 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one look found. `mend` says what to do, and is empty when nothing is to be done.

    `part` is what probes call it, "" for advice that is none of theirs; `facts` are the numbers that they may show.
    """

    name: str
    status: Status
    message: str
    mend: str = ""
    part: str = ""
    facts: Mapping[str, float] = field(default_factory=dict)


def checks() -> Iterator[Check]:
    """Everything, in the order in which one thing needs another."""
    found = list(database())
    yield from found
    if not any(check.status == "fail" for check in found):
        for look in (workers, nodes, backlog, reconciler, beat, schedules, dropped, clock):
            yield from _asked(look)
    yield from broker()
    yield from celery_settings()
    yield disk()


def vital() -> Iterator[Check]:
    """What probes ask: whether runs go on at this moment, without advice about settings."""
    found = list(database())
    yield from found
    if not any(check.status == "fail" for check in found):
        for look in (workers, nodes, backlog, reconciler, beat, schedules, dropped):
            yield from _asked(look)
    yield from broker()


def _asked(look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from list(look())
    except DatabaseError as error:
        message = f"the database refused: {_first_line(error)}"
        yield Check(name=look.__name__, status="fail", message=message, part=look.__name__)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _row(query: str, params: tuple[Any, ...] = ()) -> tuple[Any, ...]:
    with connection.cursor() as cursor:
        cursor.execute(query, params)
        return tuple(cursor.fetchone() or ())


_SERVER = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'), current_setting('fsync')
"""


_applied = False


def database() -> Iterator[Check]:
    """PostgreSQL answers, is new enough, and has this release's tables."""
    try:
        number, version, fsync = _row(_SERVER)
        missing = _missing_migrations()
    except DatabaseError as error:
        mend = "Start PostgreSQL (`manage.py standalone`), or correct DATABASE_URL."
        message = f"does not answer: {_first_line(error)}"
        yield Check(name="database", status="fail", message=message, mend=mend, part="database")
        return
    if number < OLDEST_POSTGRES:
        message, mend = f"PostgreSQL {version} is too old", "Upgrade it to 15 or later."
        yield Check(name="database", status="fail", message=message, mend=mend, part="database")
    else:
        yield Check(name="database", status="ok", message=f"PostgreSQL {version}", part="database")
    if fsync == "off":
        message, mend = "PostgreSQL runs without fsync", "Switch fsync on, or a power cut loses runs."
        yield Check(name="durability", status="warn", message=message, mend=mend)
    if missing:
        message, mend = f"{len(missing)} are not applied, the first is {missing[0]}", "Run `manage.py migrate`."
        yield Check(name="migrations", status="fail", message=message, mend=mend, part="migrations")
    else:
        yield Check(name="migrations", status="ok", message="all applied", part="migrations")


def _missing_migrations() -> list[str]:
    """Migrations that are not applied. Once all are, they stay so: it is not asked again."""
    global _applied
    if _applied:
        return []
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    _applied = not plan
    return [str(migration) for migration, _ in plan]


_QUEUED = "SELECT count(*) FROM workflows_taskexecution WHERE state = 'queued' AND queue = %s"


def workers() -> Iterator[Check]:
    """A worker that was heard of within a lease takes the queue of each pool."""
    heard = Now() - timedelta(seconds=conf.LEASE_SECONDS)
    alive = list(Node.objects.filter(stopped_at__isnull=True, heartbeat_at__gt=heard))
    facts = {"alive": len(alive), "slots": sum(n.concurrency for n in alive), "running": sum(n.running for n in alive)}
    message = f"{len(alive)} alive with {facts['slots']} processes, {facts['running']} tasks running"
    status: Status = "ok" if alive else "warn"
    yield Check(name="workers", status=status, message=message, part="workers", facts=facts)
    for pool in NodePool.objects.values_list("name", flat=True):
        queue = conf.queue_of(pool)
        names = [node.name for node in alive if queue in node.queues]
        slots = sum(node.concurrency for node in alive if queue in node.queues)
        if names:
            message = f"{len(names)} on queue {queue} with {slots} processes: {', '.join(sorted(names)[:5])}"
            yield Check(name=f"workers of {pool}", status="ok", message=message, part="workers")
            continue
        waiting = _row(_QUEUED, (queue,))[0]
        yield Check(
            name=f"workers of {pool}",
            status="fail" if waiting else "warn",
            message=f"none takes queue {queue}" + (f", where {waiting} tasks wait" if waiting else ""),
            mend=f"Start one: `celery -A <your project> worker -Q {queue}`.",
            part="workers",
        )


def nodes() -> Iterator[Check]:
    """No worker is alive and yet takes nothing of what waits for it."""
    stalled = list(standstill.stalled_nodes())
    facts = {"stalled": len(stalled)}
    if not stalled:
        message = "every worker takes what waits for it"
        yield Check(name="nodes", status="ok", message=message, part="nodes", facts=facts)
    for name, queues, alone in stalled:
        message = f"{name} is alive and takes nothing from {', '.join(queues)}"
        status: Status = "fail" if alone else "warn"
        yield Check(name="nodes", status=status, message=message, mend=standstill.MEND, part="nodes", facts=facts)


_LAG = """
SELECT count(*), COALESCE(EXTRACT(EPOCH FROM now() - min(t.queued_at)), 0)::float8
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.state = 'queued' AND NOT t.held AND r.state = 'running' AND r.paused_at IS NULL
"""


def backlog() -> Iterator[Check]:
    """No ready task has waited for long. What a limit holds back is not ready."""
    waiting, seconds = _row(_LAG)
    late = seconds > LAG_SECONDS
    message = f"{waiting} tasks are ready" + (f", the oldest for {seconds:.0f} s" if waiting else "")
    mend = "Start more workers, or look for tasks that hold them." if late else ""
    facts = {"waiting": waiting, "seconds": round(seconds, 3)}
    yield Check(name="backlog", status="warn" if late else "ok", message=message, mend=mend, part="lag", facts=facts)


def _since(mark: str) -> tuple[float, str] | None:
    """The age of a mark in seconds, and its value; None when it was never made."""
    found = _row(
        "SELECT EXTRACT(EPOCH FROM now() - at)::float8, value FROM workflows_brokermark WHERE name = %s", (mark,)
    )
    return (float(found[0]), str(found[1])) if found else None


def reconciler() -> Iterator[Check]:
    """Somebody swept lately: only the reconciler finds lost work and starts retries."""
    swept = _since("sweep")
    facts = {} if swept is None else {"seconds": round(swept[0], 3)}
    if swept is not None and swept[0] < 15 + 5 * conf.SWEEP_SECONDS:
        message = f"swept {swept[0]:.0f} s ago ({swept[1]})"
        yield Check(name="reconciler", status="ok", message=message, part="reconciler", facts=facts)
        return
    message = "never swept" if swept is None else f"swept {swept[0]:.0f} s ago for the last time"
    mend = "Start `manage.py reconcile --forever`: without it retries do not start and lost work stays lost."
    yield Check(name="reconciler", status="fail", message=message, mend=mend, part="reconciler", facts=facts)


_BEAT = """
SELECT count(*), EXTRACT(EPOCH FROM now() - max(last_run_at))::float8,
       EXTRACT(EPOCH FROM now() - min(date_changed))::float8
  FROM django_celery_beat_periodictask
 WHERE enabled AND task LIKE 'celeriac.%%'
"""


def beat() -> Iterator[Check]:
    """Beat's messages arrive, if it has any of ours to send. It writes down what it did every three minutes only."""
    entries, wrote, known = _row(_BEAT, ())
    if not entries:
        yield Check(name="beat", status="ok", message="has nothing of Celeriac's to do", part="beat")
        return
    ticked = _since("beat")
    seconds = min((age for age in (ticked[0] if ticked else None, wrote) if age is not None), default=None)
    facts = {} if seconds is None else {"seconds": round(max(seconds, 0.0), 3)}
    if seconds is not None and seconds < BEAT_SECONDS:
        yield Check(name="beat", status="ok", message=f"ticked {seconds:.0f} s ago", part="beat", facts=facts)
        return
    if seconds is None and known is not None and known < BEAT_SECONDS:  # or a fresh start would begin with a warning
        message = f"has had something to do for {known:.0f} s, and not ticked yet"
        yield Check(name="beat", status="ok", message=message, part="beat")
        return
    message = "never ticked" if seconds is None else f"ticked {seconds:.0f} s ago for the last time"
    mend = "Start `celery -A <your project> beat`, and a worker for the default queue: runs start late without."
    yield Check(name="beat", status="warn", message=message, mend=mend, part="beat", facts=facts)


_SCHEDULES = """
SELECT count(*), count(*) FILTER (
       WHERE s.next_at < now() - make_interval(secs => %s) AND s.message NOT LIKE '%% waits for run %%')
  FROM workflows_schedule s JOIN workflows_dag d ON d.id = s.dag_id
 WHERE d.deleted_at IS NULL AND d.paused_at IS NULL
"""


def schedules() -> Iterator[Check]:
    """No due date of a schedule has been left lying."""
    number, overdue = _row(_SCHEDULES, (OVERDUE_SECONDS,))
    facts = {"schedules": number, "overdue": overdue}
    if overdue:
        message = f"{overdue} of {number} have a due date that nobody dealt with"
        mend = "Start beat, and a worker for the default queue; what is overdue is made good then."
        yield Check(name="schedules", status="warn", message=message, mend=mend, part="schedules", facts=facts)
    else:
        message = f"{number} are up to date" if number else "there are none"
        yield Check(name="schedules", status="ok", message=message, part="schedules", facts=facts)


def dropped() -> Iterator[Check]:
    """No worker threw a message away lately that it did not understand."""
    total, lately = marks.counted("dropped")
    facts = {"dropped": total}
    if lately:
        message = f"{total} messages in all were thrown away, the last {lately}"
        mend = "Look into the workers' logs; does another application share this broker, or an older release?"
        yield Check(name="messages", status="warn", message=message, mend=mend, part="messages", facts=facts)
    else:
        message = f"none was thrown away lately ({total} in all)"
        yield Check(name="messages", status="ok", message=message, part="messages", facts=facts)


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
        message = f"{name} does not answer: {told.error}"
        yield Check(name="broker", status="fail", message=message, mend=mend, part="broker")
        return
    if told.eviction not in (None, "noeviction"):
        mend = "Set maxmemory-policy to noeviction: a full broker must refuse messages, not drop them."
        message = f"{name} has maxmemory-policy {told.eviction}"
        yield Check(name="broker", status="fail", message=message, mend=mend, part="broker")
        return
    yield Check(name="broker", status="ok", message=name, part="broker")
    if told.append_only is False:
        mend = "Set appendonly to yes. Without it a restart costs a sweep; no work is lost."
        message = f"{name} forgets its queues when it stops"
        yield Check(name="durability of the broker", status="warn", message=message, mend=mend)


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
