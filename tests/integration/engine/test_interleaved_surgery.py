"""Operators, mapped tasks and limits against workers, in every order of their statements."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from tests.support.hands import Done, Fail, dag, held, state, states
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
from workflows.core.outcome import Expand
from workflows.core.states import TaskState
from workflows.engine import admit, plans, surgery, transitions
from workflows.engine.advance import Consequences, conclude, join_items
from workflows.engine.finish import finish
from workflows.engine.launch import launch_once
from workflows.engine.publish import publish
from workflows.models import DagRun, TaskExecution

__all__ = ["conductor", "play", "sent"]  # fixtures
pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker"), pytest.mark.timeout(240)]


def reopening(scene: Scene) -> int:
    """An operator clears the first task, with what is below it."""
    return surgery.clear(scene.run.pk, ["a"]).count


def all_settled(*names: str) -> Callable[[], Scene]:
    """A run of which each task has settled and nobody has looked whether it is over."""
    fresh = scene_of(dag("settled", **{name: {} for name in names}), *names)

    def ready() -> Scene:
        scene = fresh()
        for mine in scene.claims.values():
            finish(mine, scene.plan, Done(), chance=0)
        return scene

    return ready


def concluding(scene: Scene) -> bool:
    conclude(Consequences(maybe_over={scene.run.pk}))
    return True


def test_conclude_and_clear(play: Play) -> None:
    """The run is about to end while somebody opens a task of it again: it may not end with an open task."""

    def check(played: Played) -> None:
        assert played.won() == [True, True]
        scene = played.scene
        assert states(scene.run) == {"a": "queued", "b": "success"}
        assert state(scene.run) == "running"

    play(all_settled("a", "b"), concluding, reopening, check, switches=3)


def test_finish_and_clear(play: Play) -> None:
    """What is at work cannot be cleared; once it has settled, it can."""

    def check(played: Played) -> None:
        finished, cleared = played.ends
        assert finished.error is None
        row = played.scene.row("a")
        if cleared.error is None:
            assert (row.state, row.attempt) == ("queued", 2)
        else:
            assert (row.state, row.attempt) == ("success", 1)

    play(scene_of(CHAIN, "a"), finishing("a", Done()), reopening, check)


@pytest.mark.parametrize("to", [TaskState.SUCCESS, TaskState.FAILED])
def test_finish_and_mark(play: Play, to: TaskState) -> None:
    """An operator's word against a worker's: the later of the two stands, if there is a later one."""

    def check(played: Played) -> None:
        finished, marked = played.ends
        row = played.scene.row("a")
        if isinstance(finished.error, LostClaim):
            assert marked.error is None
            assert row.reason == "marked_by_user"
        if marked.error is None:
            assert row.state == to
        assert played.scene.row("b").waiting_on == 0

    play(scene_of(CHAIN, "a"), finishing("a", Fail(message="x")), marking(to), check)


def marking(to: TaskState) -> Callable[[Scene], int]:
    return lambda scene: surgery.mark(scene.run.pk, ["a"], to).count


def test_claim_and_mark(play: Play) -> None:
    def check(played: Played) -> None:
        assert played.ends[1].error is None
        assert played.scene.row("a").state == "success"
        assert played.scene.row("b").state == "queued"

    play(scene_of(CHAIN), claiming, marking(TaskState.SUCCESS), check)


def ended_badly() -> Callable[[], Scene]:
    """A run that has failed."""
    fresh = scene_of(CHAIN, "a")

    def ready() -> Scene:
        scene = fresh()
        conclude(finish(scene.claims["a"], scene.plan, Fail(message="x"), chance=0).after)
        return scene

    return ready


def retrying(scene: Scene) -> int:
    return surgery.retry_failed(scene.run.pk).count


def test_retry_and_retry(play: Play) -> None:
    """Two operators press the same button: the run is opened once."""

    def check(played: Played) -> None:
        assert sorted(played.won()) == [False, True]
        assert states(played.scene.run) == {"a": "queued", "b": "pending"}
        assert (state(played.scene.run), played.scene.row("a").attempt) == ("running", 2)
        assert told(played.scene.run, "", "running") == 2

    play(ended_badly(), retrying, retrying, check)


def test_retry_and_cancel(play: Play) -> None:
    """Of a run that has ended: either it was over for the cancel, or it is cancelled again."""

    def check(played: Played) -> None:
        assert played.ends[0].error is None
        assert state(played.scene.run) == ("cancelled" if played.ends[1].value else "running")
        assert set(states(played.scene.run).values()) <= {"cancelled", "queued", "pending"}

    play(ended_badly(), retrying, cancelling, check)


# Mapped tasks and limits

MAPPED = dag("mapped", a={"foreach": [1, 2]}, b={"depends_on": ["a"]})


def expanded(*claimed: int) -> Callable[[], Scene]:
    """A mapped task whose items are queued, some of them claimed."""
    version = publish(MAPPED)

    def ready() -> Scene:
        run = launch_once(version).run
        finish(held(run, "a"), plans.plan_of(version.pk), Expand(items=(1, 2)), chance=0)
        claims = {}
        for index in claimed:
            token = uuid.uuid4()
            mine = transitions.claim(run.pk, 0, index, 1, token=token, node="n", lease=30)
            assert mine is not None
            claims[str(index)] = mine
        return Scene(run, claims)

    return ready


def test_join_items_and_join_items(play: Play) -> None:
    """The last two items end together; each looks whether it was the last."""

    def ending(index: int) -> Callable[[Scene], int]:
        def work(scene: Scene) -> int:
            after = finish(scene.claims[str(index)], scene.plan, Done(), chance=0).after
            return len(join_items(scene.run.pk, 0).dispatches) if after.maybe_joined else 0

        return work

    def check(played: Played) -> None:
        assert sorted(end.value for end in played.ends) == [0, 1], "what follows is sent once"
        group = TaskExecution.objects.get(run=played.scene.run, task_id="a", map_index=-1)
        assert group.state == "success"
        assert played.scene.row("b").state == "queued"

    play(expanded(0, 1), ending(0), ending(1), check, switches=3)


def test_admit_and_admit(play: Play) -> None:
    """Two processes see room for one."""
    version = publish(dag("limited", a={}, b={}) | {"config": {"max_parallel_tasks": 1}})

    def admitting(run: DagRun) -> int:
        return len(admit.admit([(run.pk, "celeriac")]))

    def check(played: Played) -> None:
        assert sorted(end.value for end in played.ends) == [0, 1]
        assert TaskExecution.objects.filter(run=played.scene, held=False).count() == 1

    def ready() -> DagRun:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(admit, "admit", lambda places: [])
            return launch_once(version).run

    play(ready, admitting, admitting, check, switches=3)
