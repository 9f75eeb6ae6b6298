"""What the gates look at: the rows of a run and of one of its tasks, read once, and the walk through the gates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, TypeVar

from workflows.core.errors import UnknownRun, UnknownTask
from workflows.core.plan import Plan, PlannedTask
from workflows.core.states import RunState, TaskState
from workflows.engine import plans, sql
from workflows.models import DagRun, TaskExecution

F = TypeVar("F", bound="RunFacts")


class Verdict(StrEnum):
    """What a gate says."""

    PASSED = "passed"
    BLOCKED = "blocked"
    NOT_REACHED = "not_reached"  # an earlier gate is closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One condition on the way to a worker: the verdict, a sentence for people, and the facts behind it."""

    name: str
    verdict: Verdict
    says: str
    data: dict[str, Any] = field(default_factory=dict)

    @property
    def is_closed(self) -> bool:
        """Whether it holds up what comes after it."""
        return self.verdict is Verdict.BLOCKED


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Every gate in order, at one moment of the database's clock. `says` is the answer in one sentence."""

    run_id: int
    task_id: str  # empty: the run itself
    map_index: int
    state: str
    at: datetime
    gates: tuple[Gate, ...]

    @property
    def blocked(self) -> Gate | None:
        """The gate that is closed; None when nothing holds it up."""
        return next((gate for gate in self.gates if gate.is_closed), None)

    @property
    def says(self) -> str:
        """The answer: of the closed gate, or, when all are open, of the last one that has facts to tell."""
        told = [gate for gate in self.gates if gate.data]
        return (self.blocked or (told or self.gates)[-1]).says


Seen = tuple[bool, str, dict[str, Any]]  # whether it is open, a sentence, the facts
Look = tuple[str, Callable[[F], Seen]]  # a gate's name, and the question


def passed(says: str, **data: Any) -> Seen:
    """An open gate."""
    return True, says, data


def blocked(says: str, **data: Any) -> Seen:
    """A closed gate."""
    return False, says, data


class RunFacts:
    """A run, its DAG, its plan, and now."""

    def __init__(self, run: DagRun) -> None:
        self.run = run
        self.run_state = RunState(run.state)
        self.now: datetime = sql.run("SELECT now()")[0][0]

    @cached_property
    def plan(self) -> Plan:
        """The plan of the run's version."""
        return plans.plan_of(self.run.version_id)

    def since(self, at: datetime | None) -> float:
        """Seconds from a moment to now; negative for what is still to come."""
        return round((self.now - at).total_seconds(), 3) if at else 0.0

    def walk(self: F, looks: Sequence[Look[F]]) -> Explanation:
        """Look at each gate until one is closed."""
        gates: list[Gate] = []
        for name, look in looks:
            if gates and gates[-1].verdict is not Verdict.PASSED:
                gates.append(Gate(name=name, verdict=Verdict.NOT_REACHED, says="not looked at"))
                continue
            is_open, says, data = look(self)
            gates.append(Gate(name=name, verdict=Verdict.PASSED if is_open else Verdict.BLOCKED, says=says, data=data))
        return self._explained(tuple(gates))

    def _explained(self, gates: tuple[Gate, ...]) -> Explanation:
        return Explanation(
            run_id=self.run.pk, task_id="", map_index=-1, state=self.run_state.value, at=self.now, gates=gates
        )


class TaskFacts(RunFacts):
    """And one of its task executions."""

    def __init__(self, run: DagRun, task: TaskExecution) -> None:
        super().__init__(run)
        self.task = task
        self.task_state = TaskState(task.state)

    @cached_property
    def planned(self) -> PlannedTask:
        """The task in the plan."""
        return self.plan.tasks[self.task.position]

    @property
    def is_item(self) -> bool:
        """Whether it is one item of a mapped task."""
        return self.task.map_index >= 0

    def _explained(self, gates: tuple[Gate, ...]) -> Explanation:
        task = self.task
        return Explanation(
            run_id=self.run.pk,
            task_id=task.task_id,
            map_index=task.map_index,
            state=self.task_state.value,
            at=self.now,
            gates=gates,
        )


def of_run(run_id: int) -> RunFacts:
    """The facts of a run. Raises UnknownRun."""
    return RunFacts(_run(run_id))


def of_task(run_id: int, task_id: str, map_index: int = -1) -> TaskFacts:
    """The facts of a task. Raises UnknownRun, UnknownTask."""
    run = _run(run_id)
    rows = TaskExecution.objects.filter(run_id=run_id, task_id=task_id, map_index=map_index)
    task = rows.defer("output", "item").first() or _awaited(run, task_id, map_index)
    return TaskFacts(run, task)


def _awaited(run: DagRun, task_id: str, map_index: int) -> TaskExecution:
    """The row that a task of a pending run is going to have: its rows are made when the run starts."""
    position = plans.plan_of(run.version_id).by_id.get(task_id)
    if position is None or map_index >= 0 or run.state != RunState.PENDING:
        name = task_id if map_index < 0 else f"{task_id}[{map_index}]"
        raise UnknownTask(run_id=run.pk, task_id=name)
    return TaskExecution(run=run, position=position, task_id=task_id)


def _run(run_id: int) -> DagRun:
    related = DagRun.objects.select_related("dag", "version")
    large = (f"version__{name}" for name in ("document", "source", "plan", "layout"))
    run = related.defer(*large).filter(pk=run_id).first()
    if run is None:
        raise UnknownRun(run_id=run_id)
    return run
