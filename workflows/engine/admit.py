"""Limits: which queued tasks may go, when more are ready than a pool, a run or a mapped task may run at one time.

A gated task is queued and held; it is admitted here, under one lock, and counts against its limits from then until it
is no longer queued or running. So the sum never exceeds a limit, whatever workers, messages and crashes do, and a
worker's claim has nothing to count.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import LiteralString

from workflows.conf import conf
from workflows.core.admission import Candidate, choose
from workflows.core.errors import UnknownPool
from workflows.engine import marks, plans, sql, transitions
from workflows.executors.send import Dispatch

PAGE = 100  # held tasks looked at together
PAGES = 20  # at one time; what is further behind has its turn at the next release, or in a sweep
_LOCK = 0x43454C_41444D  # of admissions, in a range of our own


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """How much of a limit is in use, and how much there is."""

    used: int
    most: int


def limited_queues() -> dict[str, int]:
    """The queues of the pools that have a limit, with their slots."""
    rows = sql.run("SELECT name, slots FROM workflows_nodepool WHERE slots IS NOT NULL")
    return {conf.queue_of(name): slots for name, slots in rows}


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A task that waits for room."""

    id: int
    run_id: int
    position: int
    map_index: int
    attempt: int
    queue: str
    slots: int
    version_id: int
    priority: int | None


_HELD: LiteralString = """
SELECT t.id, t.run_id, t.position, t.map_index, t.attempt, t.queue, t.slots, r.version_id, r.priority
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.held AND r.state = 'running' AND r.paused_at IS NULL
"""
_ORDER: LiteralString = " ORDER BY t.priority DESC, t.queued_at, t.id OFFSET %s LIMIT %s"
_OF_QUEUE = _HELD + " AND t.queue = %s" + _ORDER
_OF_RUN = _HELD + " AND t.run_id = %s AND t.position <> ALL (%s::int[])" + _ORDER

_USED_OF_QUEUES = """
SELECT t.queue, sum(t.slots)::int FROM workflows_taskexecution t
 WHERE t.gated AND NOT t.held AND t.state IN ('queued', 'running') AND t.queue = ANY(%s::text[]) GROUP BY t.queue
"""
_USED_OF_RUNS = """
SELECT t.run_id, t.position, t.map_index >= 0, count(*)::int FROM workflows_taskexecution t
 WHERE t.gated AND NOT t.held AND t.state IN ('queued', 'running') AND t.run_id = ANY(%s::bigint[]) GROUP BY 1, 2, 3
"""


def admit(places: Iterable[tuple[int, str]]) -> list[Dispatch]:
    """Let go what fits in the given (run, queue) places; returns what is to be sent after the commit."""
    wanted = sorted(set(places))
    if not wanted:
        return []
    return sql.persist(lambda: _admit(wanted))


def _admit(wanted: list[tuple[int, str]]) -> list[Dispatch]:
    with sql.atomically():
        sql.run("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        limits = limited_queues()
        gone: list[Held] = []
        for run_id in sorted({run_id for run_id, _ in wanted}):
            gone += _let_go(_OF_RUN, (run_id, _full_positions(run_id)), limits)
        for queue in sorted({queue for _, queue in wanted if queue in limits}):
            gone += _let_go(_OF_QUEUE, (queue,), limits)
    return _dispatches(gone)


def _let_go(query: LiteralString, params: tuple[object, ...], queues: dict[str, int]) -> list[Held]:
    """Go through held tasks in their order, page by page, and let go what fits."""
    names = Held.__dataclass_fields__
    gone: list[Held] = []
    behind = 0
    for _ in range(PAGES):
        page = [Held(**dict(zip(names, row, strict=True))) for row in sql.run(query, (*params, behind, PAGE))]
        limits = usage(page, queues) if page else {}
        room = {name: limit.most - limit.used for name, limit in limits.items()}
        went = transitions.admit(choose((_candidate(held, limits) for held in page), room))
        gone += [held for held in page if held.id in went]
        behind += len(page) - len(went)
        if len(page) < PAGE or (limits and all(left <= 0 for left in room.values())):
            break
    return gone


def _candidate(held: Held, limits: dict[Hashable, Limit]) -> Candidate:
    pool: Hashable = ("pool", held.queue)
    # A task that wants more slots than its pool has takes all of them, instead of waiting for ever; of none, none.
    slots = max(1, min(held.slots, limits[pool].most)) if pool in limits else held.slots
    needs: dict[Hashable, int] = {pool: slots, ("run", held.run_id): 1}
    if held.map_index >= 0:
        needs[("items", held.run_id, held.position)] = 1
    return Candidate(id=held.id, needs=needs)


def usage(tasks: Iterable[Held], queues: dict[str, int]) -> dict[Hashable, Limit]:
    """Every limit that the tasks are subject to, with what is in use of it now.

    Names: ("pool", queue) in slots, ("run", run) and ("items", run, position) in tasks.
    """
    found = list(tasks)
    limits: dict[Hashable, Limit] = {}
    names = sorted({held.queue for held in found if held.queue in queues})
    used: dict[str, int] = dict(sql.run(_USED_OF_QUEUES, (names,))) if names else {}
    for name in names:
        limits[("pool", name)] = Limit(used=used.get(name, 0), most=queues[name])
    plan_of = {held.run_id: plans.plan_of(held.version_id) for held in found}
    of_run: dict[int, int] = defaultdict(int)
    of_items: dict[tuple[int, int], int] = {}
    for run_id, position, mapped, count in sql.run(_USED_OF_RUNS, (list(plan_of),)):
        of_run[run_id] += count
        if mapped:
            of_items[(run_id, position)] = count
    for held in found:
        plan = plan_of[held.run_id]
        if plan.max_parallel is not None:
            limits[("run", held.run_id)] = Limit(used=of_run[held.run_id], most=plan.max_parallel)
        most = plan.tasks[held.position].foreach_limit
        if held.map_index >= 0 and most is not None:
            key = (held.run_id, held.position)
            limits[("items", *key)] = Limit(used=of_items.get(key, 0), most=most)
    return limits


def _full_positions(run_id: int) -> list[int]:
    """Mapped tasks of a run whose limit is used up: their items, maybe thousands, need not be looked at."""
    rows = sql.run("SELECT version_id FROM workflows_dagrun WHERE id = %s", (run_id,))
    if not rows:
        return []
    plan = plans.plan_of(rows[0][0])
    return [
        position
        for _, position, mapped, count in sql.run(_USED_OF_RUNS, ([run_id],))
        if mapped and (most := plan.tasks[position].foreach_limit) is not None and count >= most
    ]


def _dispatches(gone: list[Held]) -> list[Dispatch]:
    ready: dict[tuple[int, int, int | None], list[tuple[int, int, int]]] = defaultdict(list)
    for held in gone:
        ready[(held.run_id, held.version_id, held.priority)].append((held.position, held.map_index, held.attempt))
    return [
        Dispatch(plan=plans.plan_of(version_id).at(priority), run_id=run_id, ready=tuple(items))
        for (run_id, version_id, priority), items in ready.items()
    ]


def waiting() -> list[tuple[int, str]]:
    """The (run, queue) places in which tasks wait for room: for a sweep."""
    return [
        (run_id, queue)
        for run_id, queue in sql.run(
            "SELECT DISTINCT t.run_id, t.queue FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = "
            "t.run_id WHERE t.held AND r.state = 'running' AND r.paused_at IS NULL LIMIT 500"
        )
    ]


_GATE = "UPDATE workflows_taskexecution SET gated = true WHERE queue = %s AND ended_at IS NULL AND NOT gated"


def limit_pool(name: str, slots: int | None) -> list[Dispatch]:
    """Set how many slots the tasks of a pool may hold at one time; None for no limit. Returns what is to be sent.

    What runs already counts from now on, even where that is more than the new limit. Raises UnknownPool.
    """
    queue = conf.queue_of(name)
    with sql.on_django(), sql.atomically():
        sql.run("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if not sql.run("UPDATE workflows_nodepool SET slots = %s WHERE name = %s RETURNING id", (slots, name)):
            raise UnknownPool(name=name)
        if slots is not None:
            sql.run(_GATE, (queue,))
        marks.put(f"limit:{queue}", str(slots))  # `check_invariants` holds nothing earlier against it
    runs = sql.run("SELECT DISTINCT run_id FROM workflows_taskexecution WHERE held AND queue = %s", (queue,))
    return admit((run_id, queue) for (run_id,) in runs)
