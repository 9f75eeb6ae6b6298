"""The chaos harness itself: a short round is clean, it sees what is planted, and a seed is the same story twice."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytest_django import DjangoDbBlocker

from tests.chaos.harness import record, tables
from tests.chaos.harness.checker import Checker, Verdict
from tests.chaos.harness.command import CONTROLS
from tests.chaos.harness.effects import Executions
from tests.chaos.harness.faults import KINDS
from tests.chaos.harness.history import Fault, History
from tests.chaos.harness.rounds import Outcome, Plan, play
from tests.chaos.harness.stored import Attempt, Run, Stored, Task
from tests.chaos.harness.workload import Script, Work, document, scripts
from tests.support.oracle import Scripted
from tests.support.servers import Servers

PLACE = (1, "t0", -1)


@pytest.fixture
def unblocked(django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """The harness works in threads of its own."""
    with django_db_blocker.unblock():
        yield


@pytest.mark.usefixtures("unblocked", "broker")
def test_a_short_round_is_clean(servers: Servers, _template_database: str, tmp_path: Path) -> None:  # noqa: PT019
    keep = tmp_path / "history.jsonl"
    plan = Plan(seed=7, seconds=90, tasks=100, faults=12, pause=0.8, dags=12, open_runs=8, keep=keep)
    outcome = play(plan, servers, _template_database)
    assert outcome.verdict.clean, tables.of_round(outcome)
    counts = outcome.verdict.counts
    assert counts.enqueued == counts.terminal > 100
    assert counts.kinds >= 10
    assert keep.read_text().count('"kind": "fault"') == counts.faults


@pytest.mark.slow
@pytest.mark.usefixtures("unblocked", "broker")
@pytest.mark.parametrize(("mutation", "seen", "until", "times"), CONTROLS, ids=lambda value: str(value)[:10])
def test_the_harness_sees_a_missing_mechanism(
    servers: Servers,
    _template_database: str,  # noqa: PT019
    mutation: str,
    seen: tuple[str, ...],
    until: str,
    times: int,
) -> None:
    plan = Plan(seed=20261122, seconds=45 * times, pause=1.6, open_runs=24, mutation=mutation, audit=False, until=until)
    outcome = play(plan, servers, _template_database)
    assert sum(getattr(outcome.verdict.counts, name) for name in seen) > 0, tables.of_round(outcome)


def account(
    tmp_path: Path, *, task: Task, attempts: list[Attempt], ran: Executions, work: Work | None = None
) -> Verdict:
    """The checker's account of a run of one task, with a fault that explains any loss."""
    stored = Stored(runs={1: Run(dag="d", state="success", external_id="k")}, tasks={PLACE: task})
    stored.attempts[PLACE] = attempts
    stored.sizes[1] = 1
    history = History(tmp_path / "history.jsonl")
    history.fault(Fault(number=1, kind="kill_worker", began=0.0, ended=0.0, node="worker1"))
    script: Script = {"t0": work or Work(task=Scripted(id="t0", upstream=()))}
    return Checker(stored, ran, history, {"d": script}, {"k": "d"}).check()


def attempt(number: int, end: str, *, at: float = 1.0, node: str = "worker1@x") -> Attempt:
    return Attempt(number=number, end=end, reason="", node=node, started=at, ended=at)


def ran(*executions: tuple[int, str]) -> Executions:
    """A ledger of these (attempt, mark)."""
    found = Executions(count=len(executions))
    for number, mark in executions:
        found.starts[PLACE].setdefault(number, []).append(mark)
        found.ends.add((PLACE, number, mark))
    return found


def done(number: int = 1, mark: str = "a") -> Task:
    return Task(state="success", attempt=number, output={"attempt": number, "mark": mark})


def test_a_rescue_with_a_cause_is_clean(tmp_path: Path) -> None:
    found = account(
        tmp_path,
        task=done(2, "b"),
        attempts=[attempt(1, "lost", at=2.0), attempt(2, "success", at=3.0)],
        ran=ran((1, "a"), (2, "b")),
    )
    assert found.clean, found.problems
    assert (found.counts.rescues, found.recovery, found.restart) == (1, [2.0], [3.0])


@pytest.mark.parametrize(
    ("wrong", "task", "attempts", "executions"),
    [
        (
            "stale_accepted",
            Task(state="success", attempt=2, output={"attempt": 1, "mark": "a"}),
            "lost success",
            "1a 2b",
        ),
        ("lost", done(), "success", ""),
        ("lost", Task(state="queued", attempt=1, output=None), "", ""),
        ("stuck", Task(state="running", attempt=1, output=None), "", "1a"),
        ("unexplained_executions", done(), "success", "1a 1b"),
        ("unexplained_executions", done(), "success", "1a 2b"),
        ("unexplained_executions", done(2, "b"), "success success", "1a 2b"),
        ("wrong_ends", Task(state="failed", attempt=1, output=None), "failed", "1a"),
        ("wrong_ends", Task(state="skipped", attempt=0, output=None), "", ""),
    ],
)
def test_what_is_planted_is_seen(tmp_path: Path, wrong: str, task: Task, attempts: str, executions: str) -> None:
    told = [attempt(number, end) for number, end in enumerate(attempts.split(), 1)]
    found = account(tmp_path, task=task, attempts=told, ran=ran(*((int(e[0]), e[1]) for e in executions.split())))
    assert getattr(found.counts, wrong) == 1, found.problems


def test_a_loss_without_a_fault_is_not_explained(tmp_path: Path) -> None:
    """Of another node, or too long after it: leases that end by themselves are a defect of ours."""
    for lost in (attempt(1, "lost", node="worker2@x"), attempt(1, "lost", at=100.0)):
        told = [lost, attempt(2, "success", at=101.0)]
        found = account(tmp_path, task=done(2, "b"), attempts=told, ran=ran((1, "a"), (2, "b")))
        assert found.counts.unexplained_executions == 1


def test_what_may_run_once_runs_once(tmp_path: Path) -> None:
    work = Work(task=Scripted(id="t0", upstream=()), at_most_once=True)
    told = [attempt(1, "lost"), attempt(2, "success", at=3.0)]
    found = account(tmp_path, task=done(2, "b"), attempts=told, ran=ran((1, "a"), (2, "b")), work=work)
    assert found.counts.unexplained_executions == 1
    failed = Task(state="failed", attempt=1, output=None)
    assert account(tmp_path, task=failed, attempts=[attempt(1, "lost")], ran=ran((1, "a")), work=work).clean


def test_a_seed_is_the_same_story_twice() -> None:
    first, again = (scripts(random.Random(3), 5) for _ in range(2))
    assert {n: document(n, s) for n, s in first.items()} == {n: document(n, s) for n, s in again.items()}
    assert len(KINDS) > 20


def test_the_record_is_added_to_and_summed(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    assert record.next_seed(10, path) == 11
    verdict = Verdict()
    verdict.counts.enqueued = verdict.counts.terminal = 600
    verdict.counts.faults = 20
    for seed in (11, 12):
        record.add(Outcome(plan=Plan(seed=seed, seconds=1), verdict=verdict, seconds=1, peace=1), path)
    assert record.next_seed(10, path) == 13
    text = tables.of_record(record.read(path))
    assert "2 rounds on 1 commits, 1200 tasks, 40 faults" in text
    assert "wrong: 0, so p < 2.5e-03" in text


def test_a_round_in_which_the_harness_failed_does_not_count_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    verdict = Verdict()
    verdict.counts.enqueued = verdict.counts.terminal = 600
    for seed in (11, 12):
        record.add(Outcome(plan=Plan(seed=seed, seconds=1), verdict=verdict, seconds=1, peace=1), path)
    with path.open("a") as file:
        file.write(
            json.dumps({"void": 12, "release": record.release(), "why": "its database was never started"}) + "\n"
        )
    assert [line["seed"] for line in record.read(path)] == [11]
    assert record.next_seed(10, path) == 13
    assert len(path.read_text().splitlines()) == 3
