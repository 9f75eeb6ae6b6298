"""Start runs: from the doors, from code inside a transaction, and as the child of a sub-DAG task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from psycopg.types.json import Jsonb

from workflows import failpoints
from workflows.conf import conf
from workflows.core import params as core_params
from workflows.core.errors import BadParams, DagPaused, IdempotencyConflict, NoVersion, UnknownDag
from workflows.core.outcome import Spawn
from workflows.core.params_schema import json_schema
from workflows.core.plan import Plan
from workflows.core.states import Reason
from workflows.engine import admit, plans, schedules, sql, transitions
from workflows.engine.advance import Consequences, conclude
from workflows.engine.rows import Claim, Ready
from workflows.engine.transitions import TaskRow
from workflows.executors import send
from workflows.models import Dag, DagRun, DagVersion


def launch(
    dag: str | DagVersion,
    *,
    params: Mapping[str, Any] | None = None,
    trigger: str = "manual",
    logical_date: datetime | None = None,
    external_id: str | None = None,
    user: AbstractBaseUser | None = None,
    on_commit: bool = False,
    origin: Origin | None = None,
) -> DagRun:
    """Start a run of a DAG's current version, or of a given version; returns it, running.

    With `external_id` a second call returns the first call's run (IdempotencyConflict when its parameters differ).
    The messages go out after the commit. Inside a caller's transaction pass `on_commit=True`: the run then exists if
    and only if the caller's transaction commits.
    Raises UnknownDag, NoVersion, DagPaused, BadParams.
    """
    return launch_once(
        dag,
        params=params,
        trigger=trigger,
        logical_date=logical_date,
        external_id=external_id,
        user=user,
        on_commit=on_commit,
        origin=origin,
    ).run


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a run comes from, when nobody asked for it by hand, and what it is about.

    `interval_start` begins the data interval that ends at the logical date (None: as the DAG's schedule says);
    `cause_id` is the run of another DAG whose success starts this one; `priority` (0 to 9) goes before that of the
    document.
    """

    interval_start: datetime | None = None
    backfill_id: int | None = None
    cause_id: int | None = None
    priority: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Launched:
    """A run, and whether this call made it: False when its external id had been used before."""

    run: DagRun
    created: bool


def launch_once(
    dag: str | DagVersion,
    *,
    params: Mapping[str, Any] | None = None,
    trigger: str = "manual",
    logical_date: datetime | None = None,
    external_id: str | None = None,
    user: AbstractBaseUser | None = None,
    on_commit: bool = False,
    origin: Origin | None = None,
) -> Launched:
    """`launch`, for callers that want to know whether the run is new.

    A schedule or an `after` starts one run for each logical date: where it exists, that one is returned.
    """
    if transaction.get_connection().in_atomic_block and not on_commit:
        raise RuntimeError(
            "launch() was called inside a transaction: pass on_commit=True, so that it starts when yours commits"
        )
    # Before anything that may have changed since: a repetition is answered though the DAG is paused by now.
    if earlier := _earlier(dag, external_id):
        return _replayed(earlier, params or {}, logical_date)
    version = _allowed(dag) if isinstance(dag, DagVersion) else current_version(dag)
    date = logical_date or datetime.now(UTC)
    origin = _origin(origin, version, date)
    values = checked_params(version, params or {}, date, origin.interval_start)
    with sql.on_django(), transaction.atomic():
        priority = _priority(version, origin)
        run_id = _insert(version, values, trigger, date, external_id, user, origin, priority)
        after = _take_turn(run_id, version, priority) if run_id else Consequences()
        transaction.on_commit(lambda: _send_off(after))
    if run_id:
        return Launched(run=DagRun.objects.get(pk=run_id), created=True)
    if trigger in ONCE_A_DATE and external_id is None:
        return Launched(run=DagRun.objects.get(dag=version.dag, logical_date=date, trigger=trigger), created=False)
    earlier = _earlier(dag, external_id)  # another caller was faster by a moment
    assert earlier is not None, "only a used external id or logical date keeps a run from being inserted"
    return _replayed(earlier, params or {}, logical_date)


def _origin(given: Origin | None, version: DagVersion, date: datetime) -> Origin:
    origin = given or Origin()
    if origin.interval_start is not None:
        return origin
    return replace(origin, interval_start=schedules.interval_before(version.dag.pk, date))


ONCE_A_DATE = ("schedule", "after")  # as the constraint `dagrun_logical_date` says


def _earlier(dag: str | DagVersion, external_id: str | None) -> DagRun | None:
    if external_id is None:
        return None
    mine = {"dag_id": dag.dag_id} if isinstance(dag, DagVersion) else {"dag__dag_id": dag}
    runs = DagRun.objects.filter(dag__deleted_at__isnull=True, external_id=external_id, **mine)
    return runs.select_related("version__dag").defer("version__source", "version__plan", "version__layout").first()


def _replayed(run: DagRun, given: Mapping[str, Any], logical_date: datetime | None) -> Launched:
    """The run of an earlier call, if this one asks for the same.

    What is compared are the parameters as that run's own version and date complete them: defaults may have changed
    since, and some are made from the date.
    """
    date = logical_date or run.logical_date or run.created_at
    same_date = date == (run.logical_date or date)
    if not same_date or checked_params(run.version, given, date, run.interval_start) != run.params:
        raise IdempotencyConflict(external_id=run.external_id, run_id=run.pk)
    return Launched(run=run, created=False)


def current_version(dag_id: str) -> DagVersion:
    """The version that a new run of the DAG uses. Raises UnknownDag, NoVersion, DagPaused."""
    found = Dag.objects.live().select_related("current_version").filter(dag_id=dag_id)
    dag = found.defer(*(f"current_version__{large}" for large in ("document", "source", "plan", "layout"))).first()
    if dag is None:
        raise UnknownDag(dag_id=dag_id)
    if dag.current_version is None:
        raise NoVersion(dag_id=dag_id)
    dag.current_version.dag = dag
    return _allowed(dag.current_version)


def _allowed(version: DagVersion) -> DagVersion:
    """The version, if its DAG may be run."""
    if version.dag.deleted_at is not None:
        raise UnknownDag(dag_id=version.dag.dag_id)
    if version.dag.paused_at is not None:
        raise DagPaused(dag_id=version.dag.dag_id)
    return version


def checked_params(
    version: DagVersion, given: Mapping[str, Any], logical_date: datetime, interval_start: datetime | None = None
) -> dict[str, Any]:
    """The run's parameters with defaults filled in. Raises BadParams with every problem."""
    return complete_params(version.dag.dag_id, version.pk, given, logical_date, interval_start)


def complete_params(
    dag_id: str, version_id: int, given: Mapping[str, Any], logical_date: datetime, interval_start: datetime | None
) -> dict[str, Any]:
    """`checked_params`, by ids."""
    declared = plans.params_of(version_id)
    if not declared and not given:
        return {}
    values, problems = core_params.resolve(declared, given, _default_context(dag_id, logical_date, interval_start))
    if problems:
        raise BadParams(dag_id=dag_id, problems=problems)
    return values


def _default_context(dag_id: str, logical_date: datetime, interval_start: datetime | None = None) -> dict[str, Any]:
    """What the defaults of parameters may refer to."""
    run = {
        "logical_date": logical_date,
        "interval_start": interval_start or logical_date,
        "interval_end": logical_date,
    }
    return {"run": run, "dag": {"id": dag_id}}


def params_schema(dag_id: str, version_id: int) -> dict[str, Any]:
    """JSON Schema of a version's parameters, with the defaults of a run that would start now."""
    context = _default_context(dag_id, datetime.now(UTC))
    return json_schema(plans.params_of(version_id), context, title=dag_id)


_INSERT = """
INSERT INTO workflows_dagrun
       (dag_id, version_id, state, reason, trigger, triggered_by_id, logical_date, external_id, params, deadline_at,
        parent_id, depth, interval_start, backfill_id, cause_id, priority, late_at)
VALUES (%s, %s, 'pending', '', %s, %s, %s, %s, %s, now() + make_interval(secs => %s), %s, %s, %s, %s, %s, %s,
        now() + make_interval(secs => %s))
ON CONFLICT DO NOTHING
RETURNING id
"""


def _insert(
    version: DagVersion,
    values: dict[str, Any],
    trigger: str,
    date: datetime,
    external_id: str | None,
    user: AbstractBaseUser | None,
    origin: Origin,
    priority: int | None,
) -> int | None:
    """The new run's id, or None when the external id, or the one run of its logical date, is taken."""
    rows = sql.run(
        _INSERT,
        (
            version.dag.pk,
            version.pk,
            trigger,
            user.pk if user else None,
            date,
            external_id,
            Jsonb(values),
            plans.plan_of(version.pk).timeout,
            None,
            0,
            origin.interval_start,
            origin.backfill_id,
            origin.cause_id,
            priority,
            plans.plan_of(version.pk).late_after,
        ),
    )
    return int(rows[0][0]) if rows else None


_ACTIVE = "SELECT count(*) FROM workflows_dagrun WHERE dag_id = %s AND state = 'running'"
_NEXT = """
SELECT r.id, r.version_id, r.priority FROM workflows_dagrun r
 WHERE r.dag_id = %s AND r.state = 'pending' AND r.paused_at IS NULL
 ORDER BY COALESCE(r.priority, 5) DESC, r.id LIMIT 100
"""


def _priority(version: DagVersion, origin: Origin) -> int | None:
    return plans.plan_of(version.pk).priority if origin.priority is None else origin.priority


def _take_turn(run_id: int, version: DagVersion, priority: int | None) -> Consequences:
    """Start a new run, or leave it pending when the DAG has as many running as it may."""
    most = plans.plan_of(version.pk).max_active_runs
    if most is not None:
        _lock_turns(version.dag.pk)
        if sql.run(_ACTIVE, (version.dag.pk,))[0][0] >= most:
            return Consequences()
    return _start(run_id, version.pk, priority)


def _lock_turns(dag_key: int) -> None:
    """Two launches must not both see the last free place."""
    sql.run("SELECT pg_advisory_xact_lock(%s)", ((0x435455 << 40) | dag_key,))


def start_next(dag_key: int) -> Consequences:
    """Start the pending runs of a DAG that have their turn, the one of highest priority first, then the oldest."""
    after = Consequences()
    with sql.atomically():
        _lock_turns(dag_key)
        active = sql.run(_ACTIVE, (dag_key,))[0][0]
        for run_id, version_id, priority in sql.run(_NEXT, (dag_key,)):
            most = plans.plan_of(version_id).max_active_runs
            if most is not None and active >= most:
                break
            after.add(_start(run_id, version_id, priority))
            active += 1
    return after


def _start(run_id: int, version_id: int, priority: int | None) -> Consequences:
    """Start a pending run inside the caller's transaction."""
    plan = plans.plan_of(version_id).at(priority)
    after = Consequences()
    limited = admit.limited_queues()
    rows = task_rows(plan, frozenset(limited))
    if transitions.start_run(run_id, rows):
        roots = [
            Ready(position=t.position, attempt=1, held=row[-1], queue=row[3])
            for t, row in zip(plan.tasks, rows, strict=True)
            if not t.upstream
        ]
        after.ready(plan, run_id, roots)
        if not plan.tasks:
            after.maybe_over.add(run_id)
    return after


def task_rows(plan: Plan, limited: frozenset[str] = frozenset()) -> list[TaskRow]:
    """The task executions of a new run; `limited` are the queues of pools with a limit."""
    rows: list[TaskRow] = []
    for task in plan.tasks:
        queue = conf.queue_of(task.pool)
        gated = plan.max_parallel is not None or queue in limited
        waiting_on = len(task.upstream)
        rows.append((task.position, task.id, waiting_on, queue, task.priority, task.timeout, task.slots, gated))
    return rows


def _send_off(after: Consequences) -> None:
    failpoints.hit("launched")
    follow_up(after)


def follow_up(after: Consequences) -> None:
    """What is left after a commit: send what is ready, end what is over, give away what became free; until no more
    follows from it."""
    while True:
        send.send(after.dispatches)
        failpoints.hit("flushed")
        after.dispatches = []
        conclude(after)
        places, after.places = after.places, set()
        after.dispatches += admit.admit(places)
        turns, after.turns = after.turns, set()
        for dag_key in sorted(turns):
            after.add(start_next(dag_key))
        if not (after.dispatches or after.maybe_over or after.maybe_joined or after.places or after.turns):
            return


class CannotSpawn(Exception):
    """A sub-DAG task cannot start its run."""

    def __init__(self, message: str, reason: Reason = Reason.BAD_INPUT) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """A child run that may start."""

    version: DagVersion
    params: dict[str, Any]
    depth: int


_ANCESTORS = """
WITH RECURSIVE up AS (
    SELECT r.id, r.dag_id, r.parent_id, r.depth FROM workflows_dagrun r WHERE r.id = %s
    UNION ALL
    SELECT r.id, r.dag_id, r.parent_id, r.depth
      FROM up JOIN workflows_taskexecution t ON t.id = up.parent_id JOIN workflows_dagrun r ON r.id = t.run_id
)
SELECT d.dag_id, up.depth FROM up JOIN workflows_dag d ON d.id = up.dag_id ORDER BY up.depth DESC
"""


def prepare_child(held: Claim, outcome: Spawn) -> Child:
    """Check that a sub-DAG may start: it exists, is not its own ancestor, and its parameters fit. Raises
    CannotSpawn."""
    ancestors = sql.read(_ANCESTORS, (held.run_id,))
    names = [name for name, _ in ancestors]
    if outcome.dag_id in names:
        path = " → ".join([*reversed(names), outcome.dag_id])
        raise CannotSpawn(f"a DAG cannot run inside itself: {path}", Reason.RECURSION)
    depth = ancestors[0][1] + 1
    if depth > conf.MAX_SUBDAG_DEPTH:
        raise CannotSpawn(
            f"sub-DAGs are nested deeper than MAX_SUBDAG_DEPTH ({conf.MAX_SUBDAG_DEPTH})", Reason.RECURSION
        )
    try:
        version = current_version(outcome.dag_id)
        values = checked_params(version, outcome.params, held.logical_date or datetime.now(UTC), held.interval_start)
    except (UnknownDag, NoVersion, DagPaused, BadParams) as error:
        raise CannotSpawn(str(error)) from error
    return Child(version=version, params=values, depth=depth)


def start_child(held: Claim, child: Child) -> Consequences:
    """Insert and start the child run inside the caller's transaction."""
    plan = plans.plan_of(child.version.pk)
    priority = held.priority if plan.priority is None else plan.priority
    rows = sql.run(
        _INSERT,
        (
            child.version.dag.pk,
            child.version.pk,
            "subdag",
            None,
            held.logical_date,
            None,
            Jsonb(child.params),
            plan.timeout,
            held.execution_id,
            child.depth,
            held.interval_start,
            None,
            None,
            priority,
            plan.late_after,
        ),
    )
    return _take_turn(rows[0][0], child.version, priority)


__all__ = [
    "CannotSpawn",
    "Child",
    "Launched",
    "Origin",
    "checked_params",
    "current_version",
    "follow_up",
    "launch",
    "launch_once",
    "params_schema",
]
