"""What follows when tasks settle: cascades down the graph, the end of the run, and the parent of a sub-DAG's run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from workflows import failpoints
from workflows.core import decide, retry
from workflows.core.decide import Counters, Settled
from workflows.core.joins import Verdict
from workflows.core.plan import Plan
from workflows.core.states import Reason, RunState, TaskState
from workflows.engine import plans, sql, transitions
from workflows.engine.rows import Attempted, Below, Moved, Ready
from workflows.executors.send import Dispatch


@dataclass(slots=True)
class Consequences:
    """What a transaction left to do after its commit.

    What to send; the runs that may have ended; the mapped tasks, as (run, position), of which all items may have
    settled; the (run, queue) places where a limit may have room; the DAGs (keys) of which another run may start.
    """

    dispatches: list[Dispatch] = field(default_factory=list)
    maybe_over: set[int] = field(default_factory=set)
    maybe_joined: set[tuple[int, int]] = field(default_factory=set)
    places: set[tuple[int, str]] = field(default_factory=set)
    turns: set[int] = field(default_factory=set)

    def ready(self, plan: Plan, run_id: int, rows: Sequence[Ready]) -> None:
        """Note queued rows of a run: to be sent after the commit, or to be let go by their limits first."""
        self.places.update((run_id, row.queue) for row in rows if row.held)
        attempts = tuple((row.position, row.map_index, row.attempt) for row in rows if not row.held)
        if attempts:
            alone = any(row.withheld for row in rows)
            self.dispatches.append(Dispatch(plan=plan, run_id=run_id, ready=attempts, alone=alone))

    def freed(self, moved: Moved | None) -> None:
        """Note what a task gave back that is no longer queued or running."""
        if moved is not None and moved.gated:
            self.places.add((moved.run_id, moved.queue))

    def add(self, other: Consequences) -> None:
        """Take over what another transaction left to do."""
        self.dispatches += other.dispatches
        self.maybe_over |= other.maybe_over
        self.maybe_joined |= other.maybe_joined
        self.places |= other.places
        self.turns |= other.turns


def settle(plan: Plan, run_id: int, position: int, map_index: int, settled: Settled) -> Consequences:
    """What follows from one settled task: the tasks below it; or, for an item, maybe the end of its mapped task.

    The caller is in a transaction and holds the run's lock.
    """
    if map_index >= 0:
        return Consequences(maybe_joined={(run_id, position)})
    return cascade(plan, run_id, {position: settled})


def cascade(plan: Plan, run_id: int, settled: Mapping[int, Settled]) -> Consequences:
    """Move every task below the settled ones, wave by wave. The caller is in a transaction and holds the run's lock."""
    ready: list[Ready] = []
    wave = dict(settled)
    while wave:
        effect = decide.wave_of(plan, wave)
        wave = {}
        if effect.deltas:
            deltas = {p: (d.settled, d.failed, d.skipped) for p, d in sorted(effect.deltas.items())}
            below = transitions.count_down(run_id, deltas)
            queued, wave = _resolve(plan, run_id, below, effect.not_taken)
            ready += queued
    after = Consequences(maybe_over={run_id})
    after.ready(plan, run_id, ready)
    return after


def decide_waiting(plan: Plan, run_id: int) -> Consequences:
    """Give their verdict to tasks whose last upstream succeeded in the hot path after others had not."""
    with sql.atomically():
        sql.lock_run(run_id)
        queued, closed = _resolve(plan, run_id, transitions.undecided(run_id), set())
        after = cascade(plan, run_id, closed)
    after.ready(plan, run_id, queued)
    return after


def _resolve(
    plan: Plan, run_id: int, below: list[Below], not_taken: set[int]
) -> tuple[list[Ready], dict[int, Settled]]:
    verdicts = _verdicts(plan, below, not_taken)
    if not verdicts:
        return [], {}
    queued, closed = transitions.resolve(run_id, verdicts)
    return queued, {position: Settled(state=state) for position, state in closed.items()}


def _verdicts(plan: Plan, below: list[Below], not_taken: set[int]) -> dict[int, Verdict]:
    verdicts: dict[int, Verdict] = {}
    for row in below:
        if row.state is not TaskState.PENDING:
            continue
        counters = Counters(waiting_on=row.waiting_on, failed=row.failed, skipped=row.skipped)
        verdict = decide.verdict_of(plan.tasks[row.position], counters, not_taken=row.position in not_taken)
        if verdict is not None:
            verdicts[row.position] = verdict
    return verdicts


_OPEN = "SELECT EXISTS (SELECT 1 FROM workflows_taskexecution WHERE run_id = %s AND ended_at IS NULL)"
_FAILED = (
    "SELECT position, state FROM workflows_taskexecution "
    "WHERE run_id = %s AND map_index = -1 AND state IN ('failed', 'upstream_failed', 'cancelled')"
)


def conclude(after: Consequences) -> None:
    """Settle the mapped tasks whose items have all settled, end the runs whose tasks have, and settle the parents of
    those that were sub-DAGs.

    Runs after the commits that settled the tasks: of two last tasks that finish together, the later look sees both.
    """
    while after.maybe_joined or after.maybe_over:
        while after.maybe_joined:
            after.add(join_items(*after.maybe_joined.pop()))
        if after.maybe_over:
            run_id = after.maybe_over.pop()
            rows = sql.run(_OPEN, (run_id,))
            if not rows[0][0]:
                _end(run_id, after)


_ITEMS_OPEN = (
    "SELECT EXISTS (SELECT 1 FROM workflows_taskexecution "
    "WHERE run_id = %s AND position = %s AND map_index >= 0 AND ended_at IS NULL)"
)
_GROUP = """
SELECT g.id, g.attempt, r.version_id,
       (SELECT count(*) FROM workflows_taskexecution i WHERE i.run_id = g.run_id AND i.position = g.position
           AND i.map_index >= 0 AND i.reason <> 'item_gone'),
       (SELECT array_agg(i.map_index ORDER BY i.map_index) FROM workflows_taskexecution i
         WHERE i.run_id = g.run_id AND i.position = g.position AND i.state IN ('failed', 'cancelled'))
  FROM workflows_taskexecution g JOIN workflows_dagrun r ON r.id = g.run_id
 WHERE g.run_id = %s AND g.position = %s AND g.map_index = -1 AND g.state = 'deferred'
"""


def join_items(run_id: int, position: int) -> Consequences:
    """Settle a mapped task if all its items have settled: DEFERRED → SUCCESS or FAILED. Safe to repeat."""
    if sql.run(_ITEMS_OPEN, (run_id, position))[0][0]:
        return Consequences()
    with sql.atomically():
        sql.lock_run(run_id)
        rows = sql.run(_GROUP, (run_id, position))
        if not rows or sql.run(_ITEMS_OPEN, (run_id, position))[0][0]:
            return Consequences()
        group_id, attempt, version_id, count, failed = rows[0]
        to = TaskState.FAILED if failed else TaskState.SUCCESS
        moved = transitions.move_task(
            Attempted(execution_id=group_id, attempt=attempt),
            expect=TaskState.DEFERRED,
            to=to,
            reason=Reason.ITEMS_FAILED if failed else Reason.NONE,
            message=_failed_items(count, failed) if failed else "",
        )
        assert moved is not None, "the run's lock keeps others from settling it meanwhile"
        return cascade(plans.plan_of(version_id), run_id, {position: Settled(state=to)})


def _failed_items(count: int, failed: list[int]) -> str:
    named = ", ".join(str(index) for index in failed[:10]) + (", …" if len(failed) > 10 else "")
    return f"{len(failed)} of {count} items did not succeed: {named}"


def _end(run_id: int, after: Consequences) -> None:
    rows = sql.run("SELECT version_id, parent_id, state, dag_id FROM workflows_dagrun WHERE id = %s", (run_id,))
    if not rows or rows[0][2] != RunState.RUNNING:
        return
    version_id, parent_id, _, dag_id = rows[0]
    failpoints.hit("run_settled")
    to = _ended(run_id, plans.plan_of(version_id))
    if to is None:
        return
    if plans.plan_of(version_id).max_active_runs is not None:
        after.turns.add(dag_id)
    if parent_id is not None:
        failpoints.hit("run_ended")
        after.add(settle_parent(parent_id, run_id, to))


def _ended(run_id: int, plan: Plan) -> RunState | None:
    """End a run, unless somebody else did, or opened a task again since it was asked whether all had settled."""
    with sql.atomically():
        sql.share_run(run_id)
        if sql.run(_OPEN, (run_id,))[0][0]:
            return None
        to = decide.run_state(plan, [(position, TaskState(state)) for position, state in sql.run(_FAILED, (run_id,))])
        return to if transitions.move_run(run_id, expect=RunState.RUNNING, to=to) else None


_PARENT = """
SELECT t.run_id, t.position, t.map_index, t.attempt, t.state, t.failures, r.version_id
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.id = %s AND NOT EXISTS (SELECT 1 FROM workflows_dagrun n WHERE n.parent_id = t.id AND n.id > %s)
"""


def settle_parent(parent_id: int, child_id: int, child: RunState) -> Consequences:
    """Move the task that waits for a run which has ended: DEFERRED → SUCCESS, RETRYING or FAILED. Safe to repeat."""
    rows = sql.run(_PARENT, (parent_id, child_id))  # none: a later try waits for a child of its own by now
    if not rows or rows[0][4] != TaskState.DEFERRED:
        return Consequences()
    run_id, position, map_index, attempt, _, failures, version_id = rows[0]
    plan = plans.plan_of(version_id)
    policy = plan.tasks[position].retry
    to, delay = TaskState.SUCCESS, None
    if child is not RunState.SUCCESS:
        tries_left = retry.may_retry(policy, failures + 1)
        to = TaskState.RETRYING if tries_left else TaskState.FAILED
        delay = retry.delay_before(policy, failures + 1, chance=1.0) if tries_left else None
    with sql.atomically():
        sql.lock_run(run_id)
        moved = transitions.move_task(
            Attempted(execution_id=parent_id, attempt=attempt),
            expect=TaskState.DEFERRED,
            to=to,
            reason=Reason.NONE if to is TaskState.SUCCESS else Reason.CHILD_RUN_FAILED,
            message="" if to is TaskState.SUCCESS else f"run {child_id} ended as {child.value}",
            output=transitions.json_text({"run_id": child_id, "state": child.value}),
            delay=delay,
            counts="" if to is TaskState.SUCCESS else "failure",
        )
        if not moved or not to.is_final:
            return Consequences()
        return settle(plan, run_id, position, map_index, Settled(state=to))
