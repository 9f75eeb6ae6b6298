"""An operator's surgery on a run: retry what failed, run again from here, settle by hand. Each with a preview.

All of it holds the run's lock whole, so that no completion comes in between; states, counters and verdicts are then
worked out anew for the tasks that were touched, by the same rules as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from django.db import transaction

from workflows.core import decide
from workflows.core import surgery as cuts
from workflows.core.decide import Counters, Settled
from workflows.core.errors import NothingToDo, PartOfAnotherRun, TasksAtWork, UnknownRun, UnknownTask
from workflows.core.plan import Plan
from workflows.core.states import Reason, RunState, TaskState
from workflows.core.surgery import Cut, Row
from workflows.engine import plans, sql, transitions
from workflows.engine.advance import Consequences, cascade
from workflows.engine.launch import follow_up
from workflows.engine.revision import Revision, revision
from workflows.executors import send
from workflows.executors.canvas import celery_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Touched:
    """What a surgery does, or would do: ids of tasks with their states before it, and items as `id[index]`."""

    run_id: int
    run_state: RunState
    reset: dict[str, str]
    items: dict[str, str]
    marks: dict[str, str]
    kept: int
    version: int | None = None  # that the run is moved to; None: it stays on its own

    @property
    def count(self) -> int:
        """How many task executions it touches."""
        return len(self.reset) + len(self.items) + len(self.marks)


def retry_failed(run_id: int, *, version: int | None = None, by: str = "", preview: bool = False) -> Touched:
    """Run again what did not succeed, and what follows from it; of mapped tasks the items that did not.

    With `version` what runs from here on is what that version of the DAG says, for a run that is over.
    Raises UnknownRun, NothingToDo, TasksAtWork, PartOfAnotherRun, UnknownVersion, NotOver, OtherGraph, BadParams.
    """
    return _operate(run_id, lambda plan, rows: cuts.retry(plan, rows), by, Reason.CLEARED_BY_USER, preview, version)


def clear(
    run_id: int,
    task_ids: Iterable[str],
    *,
    downstream: bool = True,
    upstream: bool = False,
    version: int | None = None,
    by: str = "",
    preview: bool = False,
) -> Touched:
    """Run the given tasks again, whatever became of them, with those below them (and above them).

    With `version` what runs from here on is what that version of the DAG says, for a run that is over.
    Raises UnknownRun, UnknownTask, NothingToDo, TasksAtWork, PartOfAnotherRun, UnknownVersion, NotOver, OtherGraph,
    BadParams.
    """
    wanted = list(task_ids)

    def cut(plan: Plan, rows: Mapping[int, Row]) -> Cut:
        return cuts.clear(plan, rows, _positions(plan, run_id, wanted), downstream=downstream, upstream=upstream)

    return _operate(run_id, cut, by, Reason.CLEARED_BY_USER, preview, version)


def mark(run_id: int, task_ids: Iterable[str], to: TaskState, *, by: str = "", preview: bool = False) -> Touched:
    """Settle the given tasks by hand as SUCCESS or FAILED; a running attempt is killed, its result refused.

    Tasks below that never ran because of how they had settled get another verdict; what ran, stays as it is.
    Raises UnknownRun, UnknownTask, NothingToDo, PartOfAnotherRun, ValueError for another state.
    """
    if to not in (TaskState.SUCCESS, TaskState.FAILED):
        raise ValueError(f"a task can be marked as success or failed, not as {to.value}")
    wanted = list(task_ids)

    def cut(plan: Plan, rows: Mapping[int, Row]) -> Cut:
        return cuts.mark(plan, rows, _positions(plan, run_id, wanted), to)

    return _operate(run_id, cut, by, Reason.MARKED_BY_USER, preview)


def _positions(plan: Plan, run_id: int, task_ids: list[str]) -> list[int]:
    for task_id in task_ids:
        if task_id not in plan.by_id:
            raise UnknownTask(run_id=run_id, task_id=task_id)
    return [plan.by_id[task_id] for task_id in task_ids]


@dataclass(slots=True)
class _Task:
    """A row of the run, followed through the surgery."""

    id: int
    stands: TaskState
    reason: str
    branch: str | None
    counters: Counters


_RUN = "SELECT state, version_id, priority, parent_id, deleted_at IS NOT NULL FROM workflows_dagrun WHERE id = %s"
_TASKS = """
SELECT position, id, state, reason,
       CASE WHEN jsonb_typeof(output) = 'object' THEN output ->> 'branch' END,
       waiting_on, upstreams_failed, upstreams_skipped
  FROM workflows_taskexecution WHERE run_id = %s AND map_index = -1
"""
_ITEMS = """
SELECT position, map_index, id, state FROM workflows_taskexecution
 WHERE run_id = %s AND position = ANY(%s::int[]) AND map_index >= 0 AND ended_at IS NOT NULL
   AND (%s OR state IN ('failed', 'cancelled'))
 ORDER BY position, map_index
"""


def _operate(
    run_id: int,
    cut_of: Callable[[Plan, Mapping[int, Row]], Cut],
    by: str,
    reason: Reason,
    preview: bool,
    version: int | None = None,
) -> Touched:
    killed: list[str] = []

    def work() -> tuple[Touched, Consequences]:
        killed.clear()
        with sql.atomically():
            sql.lock_run(run_id)
            patient = _Patient.read(run_id)
            if version is not None:
                patient.revise(version)
            cut = cut_of(patient.plan, {p: Row(state=t.stands, reason=t.reason) for p, t in patient.tasks.items()})
            patient.check(cut)
            touched = patient.touched(cut)
            return touched, Consequences() if preview else patient.operate(cut, by, reason, killed)

    touched, after = sql.persist(work)
    transaction.on_commit(lambda: _after(killed, after))  # a caller's transaction may still undo it all
    return touched


def _after(killed: list[str], after: Consequences) -> None:
    if killed:
        send.revoke(killed, kill=True)
    follow_up(after)


@dataclass(slots=True, kw_only=True)
class _Patient:
    """A run under the knife."""

    run_id: int
    state: RunState
    plan: Plan
    tasks: dict[int, _Task]
    parent_id: int | None
    revision: Revision | None = None

    @classmethod
    def read(cls, run_id: int) -> _Patient:
        """The run as it stands; the caller holds its lock."""
        rows = sql.run(_RUN, (run_id,))
        if not rows or rows[0][4]:
            raise UnknownRun(run_id=run_id)
        state, version_id, priority, parent_id, _ = rows[0]
        tasks = {
            position: _Task(key, TaskState(stands), reason, branch, Counters(waiting_on=w, failed=f, skipped=s))
            for position, key, stands, reason, branch, w, f, s in sql.run(_TASKS, (run_id,))
        }
        plan = plans.plan_of(version_id).at(priority)
        return cls(run_id=run_id, state=RunState(state), plan=plan, tasks=tasks, parent_id=parent_id)

    def check(self, cut: Cut) -> None:
        """Refuse what cannot be done."""
        if cut.in_the_way:
            names = ", ".join(self.plan.tasks[p].id for p in cut.in_the_way[:5])
            raise TasksAtWork(run_id=self.run_id, tasks=names)
        if cut.is_empty or self.state is RunState.PENDING:
            raise NothingToDo(run_id=self.run_id)
        if self.parent_id is not None and self.state.is_final:
            rows = sql.run("SELECT run_id, task_id FROM workflows_taskexecution WHERE id = %s", (self.parent_id,))
            raise PartOfAnotherRun(run_id=self.run_id, parent_run=rows[0][0], task_id=rows[0][1])

    def revise(self, number: int) -> None:
        """Go on with another version."""
        self.revision = revision(self.run_id, number)
        if self.revision is not None:
            self.plan = self.revision.plan

    def touched(self, cut: Cut) -> Touched:
        """The preview."""
        items = {
            f"{self.plan.tasks[position].id}[{index}]": state
            for position, index, _, state in sql.run(_ITEMS, (self.run_id, sorted(cut.items), False))
        }
        return Touched(
            run_id=self.run_id,
            run_state=self.state,
            reset={self.plan.tasks[p].id: self.tasks[p].stands.value for p in sorted(cut.reset)},
            items=items,
            marks={self.plan.tasks[p].id: self.tasks[p].stands.value for p in sorted(cut.marks)},
            kept=len(self.tasks) - len(cut.reset) - len(cut.marks) - len(cut.items),
            version=self.revision.number if self.revision else None,
        )

    def operate(self, cut: Cut, by: str, reason: Reason, killed: list[str]) -> Consequences:
        """Do it, inside the caller's transaction."""
        after = Consequences(maybe_over={self.run_id})
        who = f"by {by}" if by else ""
        if self.revision is not None:
            who = f"{who}, with version {self.revision.number}".lstrip(", ")
            self.revision.adopt(self.run_id)
        self._reopen_run(reason, who)
        self._reopen(cut, reason, who)
        if self.revision is not None:
            self.revision.refit(self.run_id, cut.reset | cut.items)
        for position, to in cut.marks.items():
            self._mark(position, to, who, after, killed)
        for position in sorted(cut.items):
            after.ready(self.plan, self.run_id, transitions.retry_items(self.run_id, position))
            self.tasks[position].stands = TaskState.DEFERRED
        counters = self._recount()
        verdicts = {
            p: verdict
            for p, task in self.tasks.items()
            if task.stands is TaskState.PENDING
            and (verdict := decide.verdict_of(self.plan.tasks[p], counters[p], not_taken=self._not_taken(p)))
        }
        if verdicts:
            queued, closed = transitions.resolve(self.run_id, verdicts)
            after.ready(self.plan, self.run_id, queued)
            after.add(cascade(self.plan, self.run_id, {p: Settled(state=state) for p, state in closed.items()}))
        return after

    def _reopen_run(self, reason: Reason, who: str) -> None:
        if not self.state.is_final:
            return
        transitions.move_run(self.run_id, expect=self.state, to=RunState.RUNNING, reason=reason, message=who)
        sql.run(
            "UPDATE workflows_dagrun SET deadline_at = now() + make_interval(secs => %s) WHERE id = %s",
            (self.plan.timeout, self.run_id),
        )

    def _reopen(self, cut: Cut, reason: Reason, who: str) -> None:
        finals = [p for p in cut.marks if self.tasks[p].stands.is_final]
        opened = [*cut.reset, *cut.items, *finals]
        whole = [p for p in cut.reset if self.plan.tasks[p].foreach is not None]
        ids = [self.tasks[p].id for p in opened]
        ids += [row[2] for row in sql.run(_ITEMS, (self.run_id, whole, True))]
        ids += [row[2] for row in sql.run(_ITEMS, (self.run_id, sorted(cut.items), False))]
        transitions.reopen(ids, reason=reason, by=who)
        for position in opened:
            self.tasks[position].stands = TaskState.PENDING
            self.tasks[position].branch = None

    def _mark(self, position: int, to: TaskState, who: str, after: Consequences, killed: list[str]) -> None:
        for map_index, attempt, old, queue, gated in transitions.mark(self.run_id, position, to, by=who):
            if old == TaskState.RUNNING:
                killed.append(celery_id(self.run_id, position, map_index, attempt))
            if gated:
                after.places.add((self.run_id, queue))
        self.tasks[position].stands = to

    def _recount(self) -> dict[int, Counters]:
        """The counters of every task, worked out from its upstreams; those that differ are written."""
        counters = {p: self._counters(p) for p in self.tasks}
        transitions.recount(self.run_id, {p: c for p, c in counters.items() if c != self.tasks[p].counters})
        return counters

    def _counters(self, position: int) -> Counters:
        waiting = failed = skipped = 0
        for upstream in self.plan.tasks[position].upstream:
            state = self.tasks[upstream].stands
            if not state.is_final:
                waiting += 1
                continue
            more_failed, more_skipped = decide.counts_as(self.plan.tasks[upstream], state)
            failed += more_failed
            skipped += more_skipped
        return Counters(waiting_on=waiting, failed=failed, skipped=skipped)

    def _not_taken(self, position: int) -> bool:
        """Whether a task above that chooses between branches has chosen another one."""
        return any(
            position in self.plan.tasks[p].branches
            and self.tasks[p].stands is TaskState.SUCCESS
            and (self.tasks[p].branch or "") != self.plan.tasks[position].id
            for p in self.plan.tasks[position].upstream
        )
