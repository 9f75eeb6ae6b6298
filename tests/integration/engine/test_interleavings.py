"""Each pair of racing operations in every order of their statements: one winner, sound counters, a run that ends."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.hands import Done, Fail, claim, dag, held, start, state, states
from tests.support.interleave import Played
from tests.support.races import (
    CHAIN,
    Play,
    Scene,
    cancelling,
    claiming,
    conductor,
    finishing,
    play,
    scene_of,
    sent,
    told,
)
from workflows.core.errors import LostClaim
from workflows.core.outcome import Outcome, Spawn
from workflows.core.states import Reason, RunState, TaskState
from workflows.engine import control, plans, reconcile, transitions
from workflows.engine.advance import Consequences, conclude, decide_waiting, settle_parent
from workflows.engine.finish import finish
from workflows.engine.launch import launch_once
from workflows.engine.publish import publish
from workflows.engine.rows import Attempted
from workflows.models import DagRun, DagVersion, Event, TaskExecution

__all__ = ["conductor", "play", "sent"]  # fixtures
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker"), pytest.mark.timeout(240)]

JOIN = dag("join", a={}, b={}, join={"depends_on": ["a", "b"]}, after={"depends_on": ["join"]})
ANY = dag("any", a={}, b={}, join={"depends_on": ["a", "b"], "trigger_rule": "all_done"})
EAGER = dag("eager", a={}, b={}, join={"depends_on": ["a", "b"], "trigger_rule": "one_success"})


def test_claim_and_claim(play: Play) -> None:
    """One message, delivered twice."""

    def check(played: Played) -> None:
        assert sorted(played.won()) == [False, True]
        assert told(played.scene.run, "a", "running") == 1

    play(scene_of(CHAIN), claiming, claiming, check)


def test_claim_and_cancel(play: Play) -> None:
    def check(played: Played) -> None:
        scene = played.scene
        assert played.ends[1].value is True
        assert set(states(scene.run).values()) == {"cancelled"}
        assert told(scene.run, "a", "running") == int(played.ends[0].value is not None)
        assert not late(scene.run), "a start was told after the end of the run"

    play(scene_of(CHAIN), claiming, cancelling, check)


def late(run: DagRun) -> list[str]:
    """Events of tasks that follow the end of their run in another transaction."""
    over = Event.objects.filter(run=run, task_id="", new__in=("success", "failed", "cancelled")).get()
    return [str(e) for e in Event.objects.filter(run=run, id__gt=over.pk).exclude(seq=over.seq).exclude(task_id="")]


@pytest.mark.parametrize("document", [JOIN, ANY, EAGER], ids=["all_success", "all_done", "one_success"])
@pytest.mark.parametrize(
    "outcomes",
    [(Done(), Done()), (Done(), Fail(message="x")), (Fail(message="x"), Fail(message="x"))],
    ids=["both well", "one fails", "both fail"],
)
def test_finish_and_finish_of_the_parents_of_a_join(
    play: Play, document: dict[str, Any], outcomes: tuple[Outcome, Outcome]
) -> None:
    """The lost update of the field: the join must be decided once, whoever is last."""
    expected = {"all_success": 2, "all_done": 0, "one_success": 1}[
        document["tasks"]["join"].get("trigger_rule", "all_success")
    ]
    good = sum(isinstance(outcome, Done) for outcome in outcomes)

    def check(played: Played) -> None:
        assert played.won() == [True, True]
        row = played.scene.row("join")
        assert row.waiting_on == 0
        assert row.state == ("queued" if good >= expected else "upstream_failed")
        assert Event.objects.filter(run=played.scene.run, task_id="join", old="pending").count() == 1
        sent = [ready for end in played.ends for d in end.value.after.dispatches for ready in d.ready]
        assert len(sent) == int(row.state == "queued"), "the join is sent once"

    play(scene_of(document, "a", "b"), finishing("a", outcomes[0]), finishing("b", outcomes[1]), check)


def test_conclude_and_conclude(play: Play) -> None:
    """Two last leaves, each of which looks whether it was the last."""

    def ending(task: str) -> Callable[[Scene], bool]:
        def work(scene: Scene) -> bool:
            conclude(finish(scene.claims[task], scene.plan, Done(), chance=0).after)
            return True

        return work

    def check(played: Played) -> None:
        assert played.won() == [True, True]
        assert state(played.scene.run) == "success"
        assert told(played.scene.run, "", "success") == 1

    play(scene_of(dag("leaves", a={}, b={}), "a", "b"), ending("a"), ending("b"), check, switches=2)


def losing(task: str, losses: int = 0) -> Callable[[Scene], bool]:
    """A reconciler that found the lease over."""

    def work(scene: Scene) -> bool:
        mine = scene.claims[task]
        which = Attempted(execution_id=mine.execution_id, attempt=mine.attempt, expired=True)
        version = scene.run.version_id
        place = reconcile.Place(run_id=scene.run.pk, position=mine.position, map_index=-1, version_id=version)
        return reconcile.lose(which, place, losses, Consequences(), Reason.LOST, "gone")

    return work


POISONED = 2  # losses before: the next is the last


@pytest.mark.parametrize("losses", [0, POISONED])
@pytest.mark.parametrize("outcome", [Done(), Fail(message="x")], ids=["done", "fail"])
def test_finish_and_rescue(play: Play, losses: int, outcome: Outcome) -> None:
    """The worker comes back at the moment at which it is given up."""

    def check(played: Played) -> None:
        assert sorted(played.won()) == [False, True]
        finished, rescued = played.ends
        row = played.scene.row("a")
        if rescued.value:
            assert isinstance(finished.error, LostClaim)
            assert row.state == ("failed" if losses else "queued")
        else:
            assert row.state == finished.value.state
        assert Event.objects.filter(run=played.scene.run, task_id="a", old="running").count() == 1

    play(scene_of(CHAIN, "a", expired=True), finishing("a", outcome), losing("a", losses), check)


@pytest.mark.parametrize("losses", [0, POISONED])
def test_rescue_and_rescue(play: Play, losses: int) -> None:
    def check(played: Played) -> None:
        assert sorted(played.won()) == [False, True]
        row = played.scene.row("a")
        assert (row.losses, row.attempt) == (1, 1 if losses else 2)
        assert played.scene.row("b").state == ("upstream_failed" if losses else "pending")

    play(scene_of(CHAIN, "a", expired=True), losing("a", losses), losing("a", losses), check)


@pytest.mark.parametrize("outcome", [Done(), Fail(message="x"), Fail(message="x", permanent=True)])
def test_finish_and_cancel(play: Play, outcome: Outcome) -> None:
    """One terminal state; a result that loses is discarded."""
    document = dag("retrying", a={"retry": {"max_attempts": 2}}, b={"depends_on": ["a"]})

    def check(played: Played) -> None:
        finished, cancelled = played.ends
        assert cancelled.value is True
        assert state(played.scene.run) == "cancelled"
        ends = Event.objects.filter(run=played.scene.run, task_id="a", old="running")
        assert ends.count() == 1
        if finished.error is not None:
            assert states(played.scene.run)["a"] == "cancelled"
        assert not late(played.scene.run)

    play(scene_of(document, "a"), finishing("a", outcome), cancelling, check)


def test_conclude_and_cancel(play: Play) -> None:
    """The last task has settled; one ends the run, the other cancels it."""

    def ready() -> Scene:
        scene = fresh()
        finish(scene.claims["a"], scene.plan, Done(), chance=0)
        return scene

    fresh = scene_of(dag("one", a={}), "a")

    def ending(scene: Scene) -> bool:
        conclude(Consequences(maybe_over={scene.run.pk}))
        return True

    def check(played: Played) -> None:
        cancelled = played.ends[1].value
        assert state(played.scene.run) == ("cancelled" if cancelled else "success")
        assert Event.objects.filter(run=played.scene.run, task_id="", old="running").count() == 1

    play(ready, ending, cancelling, check, switches=3)


def timing_out(scene: Scene) -> bool:
    mine = scene.claims["a"]
    which = Attempted(execution_id=mine.execution_id, attempt=mine.attempt)
    place = reconcile.Place(run_id=scene.run.pk, position=0, map_index=-1, version_id=scene.run.version_id)
    return reconcile.time_out(which, place, 0, Consequences())


@pytest.mark.parametrize("outcome", [Done(), Fail(message="x")], ids=["done", "fail"])
@pytest.mark.parametrize("tries", [1, 2])
def test_finish_and_time_out(play: Play, outcome: Outcome, tries: int) -> None:
    document = dag("limited", a={"timeout": 1, "retry": {"max_attempts": tries}}, b={"depends_on": ["a"]})

    def check(played: Played) -> None:
        assert sorted(played.won()) == [False, True]
        row = played.scene.row("a")
        assert row.failures == int(row.state != "success")
        assert Event.objects.filter(run=played.scene.run, task_id="a", old="running").count() == 1

    play(scene_of(document, "a"), finishing("a", outcome), timing_out, check)


def test_resolve_and_succeed(play: Play) -> None:
    """A verdict that a dead worker owed is given while the last upstream ends in the hot path."""

    def ready() -> Scene:
        scene = fresh()
        finish(scene.claims["a"], scene.plan, Fail(message="x"), chance=0)
        return scene

    fresh = scene_of(dag("owed", a={}, b={}, join={"depends_on": ["a", "b"]}), "a", "b")

    def resolving(scene: Scene) -> bool:
        decide_waiting(scene.plan, scene.run.pk)
        return True

    def check(played: Played) -> None:
        assert played.won() == [True, True]
        assert states(played.scene.run)["join"] == "upstream_failed"
        assert told(played.scene.run, "join", "upstream_failed") == 1

    play(ready, finishing("b", Done()), resolving, check)


def test_launch_and_launch(play: Play) -> None:
    """One external id is one run, whoever asks."""
    version = publish(CHAIN)
    version = DagVersion.objects.select_related("dag").get(pk=version.pk)

    def launching(external_id: str) -> Any:
        return launch_once(version, external_id=external_id)

    def check(played: Played) -> None:
        runs = {end.value.run.pk for end in played.ends}
        assert len(runs) == 1
        assert sorted(end.value.created for end in played.ends) == [False, True]
        assert TaskExecution.objects.filter(run_id__in=runs).count() == 2
        assert told(played.ends[0].value.run, "a", "queued") == 1

    play(lambda: str(uuid.uuid4()), launching, launching, check, switches=3)


def test_spawn_and_cancel(play: Play) -> None:
    """A sub-DAG starts while its parent is stopped: no child may go on without one."""
    publish(dag("child", x={}))
    document = dag("parent", s={"type": "subdag", "parameters": {"dag_id": "child"}})

    def check(played: Played) -> None:
        spawned, cancelled = played.ends
        assert cancelled.value is True
        assert states(played.scene.run)["s"] == "cancelled"
        children = list(DagRun.objects.filter(parent__run=played.scene.run))
        assert len(children) == int(spawned.error is None)
        reconcile.sweep()  # what the cancel came too early to see
        assert [state(child) for child in children] == ["cancelled"] * len(children)

    play(scene_of(document, "s"), finishing("s", Spawn(dag_id="child")), cancelling, check, switches=2)


def test_settle_parent_and_settle_parent(play: Play) -> None:
    """A worker and a reconciler see the end of the same child."""
    publish(dag("child", x={}))
    document = dag("parent", s={"type": "subdag", "parameters": {"dag_id": "child"}}, after={"depends_on": ["s"]})

    def ready() -> tuple[int, int, DagRun]:
        run = start(document)
        finish(held(run, "s"), plans.plan_of(run.version_id), Spawn(dag_id="child"), chance=0)
        child = DagRun.objects.get(parent__run=run)
        mine = held(child, "x")
        finish(mine, plans.plan_of(child.version_id), Done(), chance=0)
        transitions.move_run(child.pk, expect=RunState.RUNNING, to=RunState.SUCCESS)
        return TaskExecution.objects.get(run=run, task_id="s").pk, child.pk, run

    def settling(scene: tuple[int, int, DagRun]) -> int:
        return len(settle_parent(scene[0], scene[1], RunState.SUCCESS).dispatches)

    def check(played: Played) -> None:
        run = played.scene[2]
        assert sorted(end.value for end in played.ends) == [0, 1], "what follows is sent once"
        assert states(run) == {"s": "success", "after": "queued"}
        assert told(run, "s", "success") == 1

    play(ready, settling, settling, check)


def failed_once() -> Callable[[], Scene]:
    """A run whose first task is due for another try."""
    fresh = scene_of(dag("due", a={"retry": {"max_attempts": 2, "delay": 0}}), "a")

    def ready() -> Scene:
        scene = fresh()
        finish(scene.claims["a"], scene.plan, Fail(message="x"), chance=0)
        return scene

    return ready


def requeuing(scene: Scene) -> Any:
    which = Attempted(execution_id=scene.claims["a"].execution_id, attempt=1)
    return transitions.requeue(which, expect=TaskState.RETRYING, reason=Reason.NONE, end="retrying")


def test_due_and_due(play: Play) -> None:
    """Two reconcilers start the same retry."""

    def check(played: Played) -> None:
        assert sorted(played.won()) == [False, True]
        assert played.scene.row("a").attempt == 2

    play(failed_once(), requeuing, requeuing, check)


def test_due_and_cancel(play: Play) -> None:
    def check(played: Played) -> None:
        assert states(played.scene.run) == {"a": "cancelled"}
        assert not late(played.scene.run)

    play(failed_once(), requeuing, cancelling, check)


@pytest.mark.parametrize("losses", [0, POISONED])
def test_rescue_and_cancel(play: Play, losses: int) -> None:
    def check(played: Played) -> None:
        assert played.ends[1].value is True
        assert set(states(played.scene.run).values()) <= {"cancelled", "failed", "upstream_failed"}
        assert Event.objects.filter(run=played.scene.run, task_id="a", old="running").count() == 1
        assert not late(played.scene.run)

    play(scene_of(CHAIN, "a", expired=True), losing("a", losses), cancelling, check)


def test_pause_and_claim(play: Play) -> None:
    def check(played: Played) -> None:
        run = played.scene.run
        assert played.ends[1].value is True
        if played.ends[0].value is None:
            assert control.resume_run(run.pk)
            assert claim(run, "a") is not None
        else:
            control.resume_run(run.pk)

    play(scene_of(CHAIN), claiming, lambda scene: control.pause_run(scene.run.pk), check)


@pytest.mark.parametrize("same", [True, False], ids=["same content", "other content"])
def test_publish_and_publish(play: Play, same: bool) -> None:
    """Version numbers have no gap and no double, and equal content is one version."""

    def publishing(command: str) -> Callable[[str], DagVersion]:
        return lambda name: publish(dag(name, a={"command": command}))

    def check(played: Played) -> None:
        versions = DagVersion.objects.filter(dag__dag_id=played.scene).order_by("number")
        assert list(versions.values_list("number", flat=True)) == ([1] if same else [1, 2])
        assert {end.value.pk for end in played.ends} == {version.pk for version in versions}

    second = publishing("true" if same else "false")
    play(lambda: f"d{uuid.uuid4().hex[:8]}", publishing("true"), second, check, switches=1)
