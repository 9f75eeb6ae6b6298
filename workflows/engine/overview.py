"""What an operator wants to know first: how much went through, what fails, and what stands still. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from workflows.conf import conf
from workflows.core.signature import signature
from workflows.engine import pools, sql
from workflows.engine.pools import Load
from workflows.models import NodePool

HOURS = 24
DAYS = 7 * 26
FAILURE_DAYS = 7
QUIET_SECONDS = 600.0  # a running task that has written nothing for so long
MANY_FAILURES = 3
LEAST_WAIT = 60.0  # seconds; no wait in a queue is odd below this
_RUNS, _TASKS, _LISTED = 300, 2000, 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How many runs ended in an hour or on a day, by how."""

    success: int = 0
    failed: int = 0
    cancelled: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.success + self.failed + self.cancelled


@dataclass(frozen=True, slots=True, kw_only=True)
class Hour:
    """One hour, by its start."""

    start: datetime
    ended: Ended


_HOURS = """
SELECT h, count(*) FILTER (WHERE r.state = 'success'), count(*) FILTER (WHERE r.state = 'failed'),
       count(*) FILTER (WHERE r.state = 'cancelled')
  FROM generate_series(date_trunc('hour', now()) - make_interval(hours => %(hours)s - 1), now(), '1 hour') h
  LEFT JOIN workflows_dagrun r ON r.ended_at >= h AND r.ended_at < h + interval '1 hour' AND r.deleted_at IS NULL
 GROUP BY h ORDER BY h
"""


def throughput(hours: int = HOURS) -> list[Hour]:
    """The runs that ended in each of the last hours, the oldest hour first."""
    rows = sql.run(_HOURS, {"hours": hours})
    return [Hour(start=start, ended=Ended(success=ok, failed=bad, cancelled=off)) for start, ok, bad, off in rows]


_DAYS = """
SELECT (ended_at AT TIME ZONE %(zone)s)::date AS day, count(*) FILTER (WHERE state = 'success'),
       count(*) FILTER (WHERE state = 'failed'), count(*) FILTER (WHERE state = 'cancelled')
  FROM workflows_dagrun WHERE ended_at >= now() - make_interval(days => %(days)s) AND deleted_at IS NULL
 GROUP BY day
"""


def calendar(zone: str, days: int = DAYS) -> dict[date, Ended]:
    """The runs that ended on each of the last days, by the zone's calendar; days without any are left out."""
    rows = sql.run(_DAYS, {"zone": zone, "days": days})
    return {day: Ended(success=ok, failed=bad, cancelled=off) for day, ok, bad, off in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Failures that look alike: how many, of which tasks, and the latest of them."""

    signature: str
    reason: str
    count: int
    tasks: tuple[str, ...]  # "dag.task", the most frequent first
    last_task: int
    last_run: int
    last_at: datetime


_FAILED = """
SELECT d.dag_id, t.task_id, t.reason, left(t.message, 1000), t.id, r.id, COALESCE(t.ended_at, r.ended_at)
  FROM (SELECT id, dag_id, ended_at FROM workflows_dagrun
         WHERE ended_at >= now() - make_interval(days => %(days)s) AND state = 'failed' AND deleted_at IS NULL
         ORDER BY ended_at DESC LIMIT %(runs)s) r
  JOIN workflows_dag d ON d.id = r.dag_id
  JOIN workflows_taskexecution t ON t.run_id = r.id AND t.state = 'failed'
 ORDER BY r.ended_at DESC, t.ended_at DESC, t.id DESC LIMIT %(tasks)s
"""


def failures(days: int = FAILURE_DAYS) -> list[Failures]:
    """What failed in the runs that failed lately, by signature, the most frequent first."""
    rows = sql.run(_FAILED, {"days": days, "runs": _RUNS, "tasks": _TASKS})
    groups: dict[tuple[str, str], list[Any]] = {}
    for row in rows:
        groups.setdefault((row[2], signature(row[3])), []).append(row)
    found = [_group(reason, text, alike) for (reason, text), alike in groups.items()]
    return sorted(found, key=lambda each: (-each.count, -each.last_at.timestamp()))[:_LISTED]


def _group(reason: str, text: str, rows: list[Any]) -> Failures:
    names: dict[str, int] = {}
    for dag_id, task_id, *_rest in rows:
        names[f"{dag_id}.{task_id}"] = names.get(f"{dag_id}.{task_id}", 0) + 1
    latest = rows[0]
    return Failures(
        signature=text,
        reason=reason,
        count=len(rows),
        tasks=tuple(sorted(names, key=lambda name: (-names[name], name))),
        last_task=latest[4],
        last_run=latest[5],
        last_at=latest[6],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stuck:
    """A task that stands still: quiet (runs and writes nothing), retrying (fails again and again), or queued."""

    kind: str
    task: int
    run: int
    dag_id: str
    task_id: str
    seconds: float  # since it was heard of, since it started first, since it was queued
    failures: int


_STUCK = """
SELECT %(kind)s, t.id, t.run_id, d.dag_id, t.task_id, extract(epoch FROM now() - {since})::float, t.failures
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id JOIN workflows_dag d ON d.id = r.dag_id
 WHERE r.paused_at IS NULL AND r.deleted_at IS NULL AND {condition}
 ORDER BY {order} LIMIT %(listed)s
"""
_HEARD = """
GREATEST(t.started_at, (SELECT max(c.at) FROM workflows_logchunk c
                         WHERE c.task_execution_id = t.id AND c.attempt = t.attempt))
"""
_KINDS = (
    (
        "quiet",
        _HEARD,
        f"t.state = 'running' AND t.started_at < now() - make_interval(secs => %(quiet)s)"
        f" AND {_HEARD} < now() - make_interval(secs => %(quiet)s)",
        "t.started_at",
    ),
    (
        "retrying",
        "COALESCE(t.started_at, t.queued_at)",
        "t.state IN ('queued', 'running', 'retrying') AND t.failures >= %(many)s",
        "t.failures DESC, t.id",
    ),
    (
        "queued",
        "t.queued_at",
        "t.state = 'queued' AND NOT t.held AND t.queued_at < now() - make_interval(secs => %(wait)s)",
        "t.queued_at",
    ),
)
_WAIT = """
SELECT percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM started_at - queued_at))
  FROM (SELECT started_at, queued_at FROM workflows_taskexecution
         WHERE started_at >= queued_at ORDER BY id DESC LIMIT 500) t
"""


def stuck() -> list[Stuck]:
    """What stands still, at most a few of each kind: the longest first."""
    usual = sql.run(_WAIT)[0][0]
    values = {
        "quiet": QUIET_SECONDS,
        "many": MANY_FAILURES,
        "wait": max(LEAST_WAIT, float(usual or 0)),
        "listed": _LISTED,
    }
    return [found for kind in _KINDS for found in _of_kind(*kind, values)]


def _of_kind(kind: str, since: str, condition: str, order: str, values: dict[str, Any]) -> Iterator[Stuck]:
    query = _STUCK.format(since=since, condition=condition, order=order)  # of constants above, and of nothing else
    names = ("kind", "task", "run", "dag_id", "task_id", "seconds", "failures")
    for row in sql.run(query, {**values, "kind": kind}):
        yield Stuck(**dict(zip(names, row, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Queue:
    """A pool with its queue's load and the workers that serve it."""

    pool: str
    pool_id: int
    slots: int | None
    load: Load
    workers: int
    places: int

    @property
    def abandoned(self) -> bool:
        """Whether something waits and nobody is there to take it."""
        return self.workers == 0 and self.load.queued > 0


_WORKERS = """
SELECT queue, count(*)::int, COALESCE(sum(concurrency), 0)::int FROM workflows_node, unnest(queues) AS queue
 WHERE stopped_at IS NULL AND heartbeat_at > now() - make_interval(secs => %s) GROUP BY queue
"""


def queues() -> list[Queue]:
    """Each pool with what waits in its queue and who is there to work."""
    loads = pools.loads()
    workers = {queue: (count, places) for queue, count, places in sql.run(_WORKERS, (conf.LEASE_SECONDS,))}
    found = []
    for pool in NodePool.objects.order_by("name")[:50]:
        count, places = workers.get(conf.queue_of(pool.name), (0, 0))
        load = pools.load_of(pool.name, loads)
        found.append(Queue(pool=pool.name, pool_id=pool.pk, slots=pool.slots, load=load, workers=count, places=places))
    return found


def last_day(hours: list[Hour]) -> Ended:
    """The hours together."""
    return Ended(
        success=sum(hour.ended.success for hour in hours),
        failed=sum(hour.ended.failed for hour in hours),
        cancelled=sum(hour.ended.cancelled for hour in hours),
    )
