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
from workflows.engine.rows import Attempted, Below, Ready
from workflows.executors.send import Dispatch


@dataclass(slots=True)
class Consequences:
    """What a transaction left to do after its commit: what to send, and which runs may have ended."""

    dispatches: list[Dispatch] = field(default_factory=list)
    maybe_over: set[int] = field(default_factory=set)

    def ready(self, plan: Plan, run_id: int, rows: Sequence[Ready]) -> None:
        """Note queued rows of a run, to be sent after the commit."""
        if rows:
            attempts = tuple((r.position, r.map_index, r.attempt) for r in rows)
            self.dispatches.append(Dispatch(plan=plan, run_id=run_id, ready=attempts))

    def add(self, other: Consequences) -> None:
        """Take over what another transaction left to do."""
        self.dispatches += other.dispatches
        self.maybe_over |= other.maybe_over


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
    "WHERE run_id = %s AND state IN ('failed', 'upstream_failed', 'cancelled')"
)


def conclude(after: Consequences) -> None:
    """End the runs whose tasks have all settled, and settle the parents of those that were sub-DAGs.

    Runs after the commits that settled the tasks: of two last tasks that finish together, the later look sees both.
    """
    while after.maybe_over:
        run_id = after.maybe_over.pop()
        rows = sql.run(_OPEN, (run_id,))
        if not rows[0][0]:
            _end(run_id, after)


def _end(run_id: int, after: Consequences) -> None:
    rows = sql.run("SELECT version_id, parent_id, state FROM workflows_dagrun WHERE id = %s", (run_id,))
    if not rows or rows[0][2] != RunState.RUNNING:
        return
    version_id, parent_id, _ = rows[0]
    failed = [(position, TaskState(state)) for position, state in sql.run(_FAILED, (run_id,))]
    to = decide.run_state(plans.plan_of(version_id), failed)
    failpoints.hit("run_settled")
    if transitions.move_run(run_id, expect=RunState.RUNNING, to=to) and parent_id is not None:
        failpoints.hit("run_ended")
        after.add(settle_parent(parent_id, run_id, to))


_PARENT = """
SELECT t.run_id, t.position, t.attempt, t.state, t.failures, r.version_id
  FROM workflows_taskexecution t JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE t.id = %s AND NOT EXISTS (SELECT 1 FROM workflows_dagrun n WHERE n.parent_id = t.id AND n.id > %s)
"""


def settle_parent(parent_id: int, child_id: int, child: RunState) -> Consequences:
    """Move the task that waits for a run which has ended: DEFERRED → SUCCESS, RETRYING or FAILED. Safe to repeat."""
    rows = sql.run(_PARENT, (parent_id, child_id))  # none: a later try waits for a child of its own by now
    if not rows or rows[0][3] != TaskState.DEFERRED:
        return Consequences()
    run_id, position, attempt, _, failures, version_id = rows[0]
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
        return cascade(plan, run_id, {position: Settled(state=to)})
