"""The scene of two operations that meet: a run with some tasks claimed, and what workers and operators do to it."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import interleave
from tests.support.hands import dag, do, held
from tests.support.interleave import Conductor, Played
from workflows.core.errors import CeleriacError
from workflows.core.outcome import Outcome
from workflows.core.states import Reason, RunState
from workflows.engine import control, invariants, plans, reconcile, sql, transitions
from workflows.engine.finish import Finished, finish
from workflows.engine.launch import launch_once
from workflows.engine.publish import publish
from workflows.engine.rows import Claim
from workflows.executors import send
from workflows.models import DagRun, Event, TaskExecution

Play = Callable[..., list[Played]]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What would have gone to the broker."""
    gone: list[Any] = []
    monkeypatch.setattr(send, "send", lambda dispatches: gone.extend(dispatches) or len(gone))
    monkeypatch.setattr(send, "revoke", lambda ids, kill: None)
    return gone


@pytest.fixture
def conductor(monkeypatch: pytest.MonkeyPatch) -> Iterator[Conductor]:
    """Two actors on this database."""
    made = interleave.conductor(monkeypatch)
    yield made
    made.close()


@pytest.fixture
def play(conductor: Conductor) -> Iterator[Play]:
    """`play(scene, work, work, check)` for each order; afterwards every run is worked to its end and audited."""
    counts: list[int] = []

    def all_orders(
        scene: Callable[[], Any],
        first: Callable[[Any], Any],
        second: Callable[[Any], Any],
        check: Callable[[Played], None],
        **bounds: int,
    ) -> list[Played]:
        found = []
        for played in conductor.every_order(scene, first, second, **bounds):
            for end in played.ends:
                assert end.error is None or isinstance(end.error, CeleriacError), (played.turns, end.error)
            check(played)
            found.append(played)
        counts.append(len(found))
        return found

    yield all_orders
    assert counts
    assert min(counts) >= 2, "the two works never met"
    in_time = ("I4b", "I6")  # these are promises of a reconciler that sweeps
    broken = [finding for finding in invariants.audit() if not finding.holds and not finding.id.startswith(in_time)]
    assert broken == []
    work_off()
    assert [finding for finding in invariants.audit(quiescent=True) if not finding.holds] == []


def work_off() -> None:
    """End what is open, as workers and the reconciler would."""
    for _ in range(20):
        open_tasks = TaskExecution.objects.filter(ended_at__isnull=True)
        for task in open_tasks.filter(state="running"):
            run_sql("UPDATE workflows_taskexecution SET lease_until = now() - interval '1 s' WHERE id = %s", task.pk)
        reconcile.sweep()
        for task in open_tasks.filter(state="queued").select_related("run"):
            do(task.run, task.task_id)
        if not DagRun.objects.unfinished().exists():
            return
    raise AssertionError(list(open_tasks.values("run_id", "task_id", "state")))


def run_sql(statement: Any, *params: Any) -> None:
    sql.run(statement, params)


def told(run: DagRun, task: str, new: str) -> int:
    """How many events tell of this."""
    return Event.objects.filter(run=run, task_id=task, new=new).count()


def finishing(task: str, outcome: Outcome) -> Callable[[Scene], Finished]:
    """A worker that ends its attempt."""
    return lambda scene: finish(scene.claims[task], scene.plan, outcome, chance=0)


def cancelling(scene: Scene) -> bool:
    return control.stop_run(scene.run.pk, RunState.CANCELLED, Reason.CANCELLED_BY_USER)


@dataclass(frozen=True, slots=True)
class Scene:
    """A run, and what is held of it."""

    run: DagRun
    claims: dict[str, Claim]

    @property
    def plan(self) -> Any:
        return plans.plan_of(self.run.version_id)

    def row(self, task: str) -> TaskExecution:
        return TaskExecution.objects.get(run=self.run, task_id=task)


_EXPIRE = (
    "UPDATE workflows_taskexecution SET lease_until = now() - interval '1 s' WHERE run_id = %s AND state = 'running'"
)


def scene_of(document: dict[str, Any], *claimed: str, expired: bool = False) -> Callable[[], Scene]:
    """A new run for each schedule, with these tasks claimed."""
    version = publish(document)

    def make() -> Scene:
        run = launch_once(version).run
        claims = {name: held(run, name) for name in claimed}
        if expired:
            run_sql(_EXPIRE, run.pk)
        return Scene(run, claims)

    return make


CHAIN = dag("chain", a={"retry": {"max_attempts": 1}}, b={"depends_on": ["a"]})


def claiming(scene: Scene) -> Claim | None:
    return transitions.claim(scene.run.pk, 0, -1, 1, token=uuid.uuid4(), node="n", lease=30)
