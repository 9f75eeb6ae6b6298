"""Each pair of racing operations in every order of their statements: one winner, sound counters, a run that ends."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.support import interleave
from tests.support.hands import Done, Fail, claim, dag, do, held, start, state, states
from tests.support.interleave import Conductor, Played
from workflows.core.errors import CeleriacError, LostClaim
from workflows.core.outcome import Expand, Outcome, Spawn
from workflows.core.states import Reason, RunState, TaskState
from workflows.engine import admit, control, invariants, plans, reconcile, sql, surgery, transitions
from workflows.engine.advance import Consequences, conclude, decide_waiting, join_items, settle_parent
from workflows.engine.finish import Finished, finish
from workflows.engine.launch import launch_once
from workflows.engine.publish import publish
from workflows.engine.rows import Attempted, Claim
from workflows.executors import send
from workflows.models import DagRun, DagVersion, Event, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker"), pytest.mark.timeout(240)]

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
JOIN = dag("join", a={}, b={}, join={"depends_on": ["a", "b"]}, after={"depends_on": ["join"]})
ANY = dag("any", a={}, b={}, join={"depends_on": ["a", "b"], "trigger_rule": "all_done"})
EAGER = dag("eager", a={}, b={}, join={"depends_on": ["a", "b"], "trigger_rule": "one_success"})


def claiming(scene: Scene) -> Claim | None:
    return transitions.claim(scene.run.pk, 0, -1, 1, token=uuid.uuid4(), node="n", lease=30)


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


# Surgery


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
        finish(held(run, "a"), plans.plan_of(version.pk), Expand(items=[1, 2]), chance=0)
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
