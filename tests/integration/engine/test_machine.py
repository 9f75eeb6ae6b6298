"""Random work under random faults, step by step: two engine instances, a broker that loses, doubles and reorders.

Hypothesis chooses what happens; when it has had enough everything is healed, and each run must have come to what the
oracle says of its definition, with no promise of the engine broken on the way.
"""

from __future__ import annotations

import os
import random
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from tests.acceptance.test_conformance import document, scripted
from tests.support.oracle import Scripted, expect
from workflows.conf import conf
from workflows.core.errors import CeleriacError, LostClaim
from workflows.core.outcome import Done, Fail, Outcome, Skip
from workflows.core.states import Reason, TaskState
from workflows.engine import control, invariants, plans, redeliver, sql, surgery, transitions
from workflows.engine.finish import finish
from workflows.engine.launch import follow_up, launch
from workflows.engine.publish import publish
from workflows.engine.reconcile import sweep
from workflows.engine.rows import Claim
from workflows.executors import broker, send
from workflows.models import DagRun, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker", "world_settings")]

EXAMPLES = int(os.environ.get("CELERIAC_MACHINE_EXAMPLES", "12"))
MANY = int(os.environ.get("CELERIAC_MACHINE_MANY", "3000"))
STEPS = 40
TASKS = 12
Message = tuple[int, int, int, int]


@pytest.fixture
def world_settings(settings: Any) -> Iterator[None]:
    """No task is called poisoned here: what a run comes to must not depend on what was lost."""
    settings.CELERIAC = {**settings.CELERIAC, "MAX_LOST_ATTEMPTS": 10**6}
    conf.reload()
    yield
    conf.reload()


@dataclass(slots=True)
class World:
    """What is outside PostgreSQL: the broker's queue, the workers, and the scripts that say how tasks end."""

    queue: list[Message] = field(default_factory=list)
    epoch: int = 1
    workers: list[tuple[Claim, int]] = field(default_factory=list)
    scripts: dict[int, dict[str, Scripted]] = field(default_factory=dict)
    touched: set[int] = field(default_factory=set)

    def send(self, dispatches: Any) -> int:
        """The broker takes what is sent; one message for each attempt."""
        for dispatch in dispatches:
            self.queue += [(dispatch.run_id, *attempt) for attempt in dispatch.ready]
        return 1


def outcome_of(task: Scripted, failures: int) -> Outcome:
    """What the script says; by the failures before, not by the attempt: losses do not count."""
    if task.branches is not None:
        return Done(branch=task.choice, output={"branch": task.choice})
    if not task.condition:
        return Skip(reason=Reason.CONDITION_FALSE)
    act = task.acts[min(failures, len(task.acts) - 1)]
    return Done() if act == "ok" else Fail(message="it was to fail")


class Machine(RuleBasedStateMachine):
    """The rules: what users, workers, the broker and two engines may do next."""

    sessions: tuple[Any, Any]
    names = iter(range(10**9))

    def __init__(self) -> None:
        super().__init__()
        self.world = World()
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(send, "send", self.world.send)
        self.patch.setattr(send, "revoke", lambda ids, kill: None)
        self.patch.setattr(broker, "epoch", lambda: str(self.world.epoch))
        self.patch.setattr(broker, "empty_queues", lambda names: set() if self.world.queue else set(names))
        self.patch.setattr(broker, "lengths", lambda names: dict.fromkeys(names, len(self.world.queue)))
        self.patch.setattr(redeliver.canaries, "send", lambda queues: None)

    @contextmanager
    def engine(self, number: int) -> Iterator[None]:
        """Be one of the two engine instances."""
        before, sql._session = sql._session, self.sessions[number]
        try:
            yield
        finally:
            sql._session = before

    # People

    @precondition(lambda self: len(self.world.scripts) < 4)
    @rule(seed=st.integers(0, 10**6), limit=st.sampled_from([None, None, 1, 2]))
    def launch(self, seed: int, limit: int | None) -> None:
        tasks = scripted(random.Random(seed), most=TASKS)
        name = f"machine_{next(self.names)}"
        # A second version of the same graph, with another limit: operators move runs between the two.
        version, _ = (
            publish(document(name, tasks) | {"config": {"max_parallel_tasks": most}})
            for most in (limit, 3 - (limit or 0))
        )
        self.world.scripts[launch(version).pk] = {task.id: task for task in tasks}

    def run_of(self, choice: int) -> int:
        runs = sorted(self.world.scripts)
        return runs[choice % len(runs)]

    @precondition(lambda self: self.world.scripts)
    @rule(choice=st.integers(0, 3), engine=st.integers(0, 1))
    def cancel(self, choice: int, engine: int) -> None:
        with self.engine(engine):
            if control.cancel_run(self.run_of(choice)):
                self.world.touched.add(self.run_of(choice))

    @precondition(lambda self: self.world.scripts)
    @rule(choice=st.integers(0, 3))
    def pause(self, choice: int) -> None:
        control.pause_run(self.run_of(choice))

    @precondition(lambda self: self.world.scripts)
    @rule(choice=st.integers(0, 3))
    def resume(self, choice: int) -> None:
        control.resume_run(self.run_of(choice))

    @precondition(lambda self: self.world.scripts)
    @rule(
        choice=st.integers(0, 3),
        task=st.integers(0, TASKS - 1),
        how=st.sampled_from(["retry", "clear", "mark"]),
        version=st.sampled_from([None, 1, 2]),
    )
    def operate(self, choice: int, task: int, how: str, version: int | None) -> None:
        """A cleared task does again what its script says, so that the oracle's word stands; a mark changes it."""
        run = self.run_of(choice)
        ids = sorted(self.world.scripts[run])
        task_id = ids[task % len(ids)]
        try:
            if how == "retry":
                surgery.retry_failed(run, version=version)
            elif how == "clear":
                surgery.clear(run, [task_id], version=version)
            else:
                surgery.mark(run, [task_id], by_hand(task))
                self.world.touched.add(run)
        except CeleriacError:
            return  # nothing to do, tasks at work, or not over

    # The broker

    @precondition(lambda self: self.world.queue)
    @rule(choice=st.integers(0, 99), engine=st.integers(0, 1))
    def deliver(self, choice: int, engine: int) -> None:
        self.take(self.world.queue.pop(choice % len(self.world.queue)), engine)

    def take(self, message: Message, engine: int) -> None:
        run, position, index, attempt = message
        with self.engine(engine):
            held = transitions.claim(run, position, index, attempt, token=uuid.uuid4(), node=f"n{engine}", lease=600)
        if held is not None:
            self.world.workers.append((held, engine))

    @precondition(lambda self: self.world.queue)
    @rule(choice=st.integers(0, 99))
    def double(self, choice: int) -> None:
        self.world.queue.append(self.world.queue[choice % len(self.world.queue)])

    @precondition(lambda self: self.world.queue)
    @rule(choice=st.integers(0, 99))
    def lose(self, choice: int) -> None:
        del self.world.queue[choice % len(self.world.queue)]

    @rule()
    def forget(self) -> None:
        """The broker restarts with nothing in it."""
        self.world.queue.clear()
        self.world.epoch += 1

    # Workers

    @precondition(lambda self: self.world.workers)
    @rule(choice=st.integers(0, 99))
    def work_ends(self, choice: int) -> None:
        self.end(*self.world.workers.pop(choice % len(self.world.workers)))

    def end(self, held: Claim, engine: int) -> None:
        plan = plans.plan_of(held.version_id)
        task = self.world.scripts[held.run_id][plan.tasks[held.position].id]
        with self.engine(engine):
            try:
                follow_up(finish(held, plan, outcome_of(task, held.failures), chance=0).after)
            except LostClaim:
                return  # it was given to another meanwhile

    @precondition(lambda self: self.world.workers)
    @rule(choice=st.integers(0, 99))
    def crash_before_following_up(self, choice: int) -> None:
        """The outcome is committed; nothing is sent, nobody looks whether the run is over."""
        held, engine = self.world.workers.pop(choice % len(self.world.workers))
        plan = plans.plan_of(held.version_id)
        task = self.world.scripts[held.run_id][plan.tasks[held.position].id]
        with self.engine(engine):
            try:
                finish(held, plan, outcome_of(task, held.failures), chance=0)
            except LostClaim:
                return

    @precondition(lambda self: self.world.workers)
    @rule(choice=st.integers(0, 99), dies=st.booleans())
    def lose_the_lease(self, choice: int, dies: bool) -> None:
        """The worker dies, or is only slow, and says what it has to say later."""
        place = choice % len(self.world.workers)
        held, _ = self.world.workers[place]
        if dies:
            del self.world.workers[place]
        sql.run(_EXPIRE, (held.execution_id, held.token))

    # Engines

    @rule(engine=st.integers(0, 1), later=st.booleans())
    def sweeps(self, engine: int, later: bool) -> None:
        if later:
            self.grow_older()
        with self.engine(engine):
            sweep()

    def grow_older(self) -> None:
        """A minute passes for what waits in a queue."""
        sql.run(_OLDER)

    @precondition(lambda self: self.world.scripts)
    @rule(choice=st.integers(0, 3))
    def audit(self, choice: int) -> None:
        broken = [f for f in invariants.audit(self.run_of(choice)) if not f.holds and f.id not in LIVENESS]
        assert broken == []

    # The end

    def teardown(self) -> None:
        try:
            self.heal()
            for run, script in self.world.scripts.items():
                self.compare(run, list(script.values()))
                assert [finding for finding in invariants.audit(run, quiescent=True) if not finding.holds] == []
        finally:
            self.patch.undo()

    def heal(self) -> None:
        """No more faults: what is held is finished or expires, and the reconcilers find the rest."""
        for run in self.world.scripts:
            control.resume_run(run)
        while self.world.workers:
            self.end(*self.world.workers.pop())
        for round_ in range(200):
            sql.run(_EXPIRE_ALL, (sorted(self.world.scripts),))
            self.grow_older()
            with self.engine(round_ % 2):
                sweep()
            while self.world.queue:
                self.take(self.world.queue.pop(0), round_ % 2)
                while self.world.workers:
                    self.end(*self.world.workers.pop())
            if not DagRun.objects.filter(pk__in=self.world.scripts).unfinished().exists():
                return
        tasks = TaskExecution.objects.filter(run_id__in=self.world.scripts, ended_at__isnull=True)
        raise AssertionError(f"stuck: {list(tasks.values('run_id', 'task_id', 'state', 'waiting_on', 'held'))}")

    def compare(self, run: int, tasks: list[Scripted]) -> None:
        """The run against the oracle, unless somebody cancelled it or settled a task of it by hand."""
        if run in self.world.touched:
            return
        end = expect(tasks)
        found = dict(TaskExecution.objects.filter(run_id=run).values_list("task_id", "state"))
        assert found == end.states
        assert DagRun.objects.get(pk=run).state == end.run


def by_hand(number: int) -> TaskState:
    """Success or failure, by a number."""
    return TaskState.SUCCESS if number % 2 else TaskState.FAILED


LIVENESS = ("I4b", "I6a", "I6b", "I6c", "I6e", "I6h")  # promises of a reconciler that sweeps
_EXPIRE = (
    "UPDATE workflows_taskexecution SET lease_until = now() - interval '1 s' "
    "WHERE id = %s AND token = %s AND state = 'running'"
)
_EXPIRE_ALL = (
    "UPDATE workflows_taskexecution SET lease_until = now() - interval '1 s' "
    "WHERE run_id = ANY(%s::bigint[]) AND state = 'running'"
)
_OLDER = (
    "UPDATE workflows_taskexecution SET queued_at = queued_at - interval '1 min', "
    "sent_at = sent_at - interval '1 min' WHERE state = 'queued'"
)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """`machine(examples, **profile)` plays so many stories."""
    other = sql._Own(0.0)
    Machine.sessions = (sql._Shared(), other)

    def play(examples: int, **profile: Any) -> None:
        checks = list(HealthCheck)
        chosen = settings(
            max_examples=examples,
            stateful_step_count=STEPS,
            deadline=None,
            suppress_health_check=checks,
            database=None,
            print_blob=True,
            **profile,
        )
        run_state_machine_as_test(Machine, settings=chosen)

    yield play
    other.close()


def test_any_story_comes_to_the_end_that_the_definition_says(machine: Callable[..., None]) -> None:
    machine(EXAMPLES, derandomize=True)


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_thousands_of_stories(machine: Callable[..., None]) -> None:
    machine(MANY)
