"""Questions to people: asked with the deferral, answered once, closed with what ends the task."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group, Permission, User
from django.db import connection

from tests.support.hands import Defer, Question, dag, do, end, held, start, state, states
from workflows.core.errors import ApprovalClosed, LostClaim, MayNotAnswer, UnknownApproval
from workflows.engine import approvals, control, invariants
from workflows.engine.reconcile import sweep
from workflows.models import Approval, DagRun, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss")


def asked(question: Question | None = None, **task: Any) -> tuple[DagRun, Approval]:
    """A run whose task has asked."""
    run = start(dag(ask={"type": "approval", **task}, after={"depends_on": ["ask"]}))
    do(run, "ask", Defer(question=question or Question(prompt="Go on?")))
    return run, Approval.objects.get(task_execution__run=run)


def row(run: DagRun) -> TaskExecution:
    return TaskExecution.objects.get(run=run, task_id="ask")


def sound(run: DagRun) -> None:
    broken = [finding for finding in invariants.audit(run.pk) if not finding.holds]
    assert not broken, broken


def user(name: str, *permissions: str, groups: tuple[str, ...] = ()) -> User:
    made = User.objects.create_user(name)
    made.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    made.groups.set([Group.objects.get_or_create(name=group)[0] for group in groups])
    return User.objects.get(pk=made.pk)


def test_a_yes_lets_the_run_go_on(boss: User) -> None:
    run, approval = asked()
    assert (states(run)["ask"], row(run).wake_at) == ("deferred", None)
    sound(run)
    sweep()
    answered = approvals.answer(approval.pk, boss, approved=True, comment="fine")
    assert (answered.approved, answered.answered_by, answered.comment) == (True, boss, "fine")
    assert answered.closed_at == answered.answered_at
    assert states(run) == {"ask": "success", "after": "queued"}
    output = row(run).output
    assert {key: output[key] for key in ("approved", "by", "comment")} == {
        "approved": True,
        "by": "boss",
        "comment": "fine",
    }
    assert datetime.fromisoformat(output["at"]).tzinfo is not None
    sound(run)


def test_a_no_fails_the_task_for_good(boss: User) -> None:
    run, approval = asked(retry={"max_attempts": 5})
    approvals.answer(approval.pk, boss, approved=False, comment="not today")
    task = row(run)
    assert (task.state, task.reason, task.message) == ("failed", "rejected", "rejected by boss: not today")
    assert task.output["approved"] is False
    assert state(run) == "failed"
    sound(run)


def test_a_no_may_skip_instead(boss: User) -> None:
    run, approval = asked(Question(on_reject="skip"))
    approvals.answer(approval.pk, boss, approved=False)
    assert (row(run).state, row(run).reason, state(run)) == ("skipped", "rejected", "success")
    sound(run)


def test_a_second_answer_comes_too_late(boss: User) -> None:
    run, approval = asked()
    approvals.answer(approval.pk, boss, approved=True)
    with pytest.raises(ApprovalClosed):
        approvals.answer(approval.pk, boss, approved=False)
    assert row(run).state == "success"


def test_there_is_no_answer_to_what_was_not_asked(boss: User) -> None:
    with pytest.raises(UnknownApproval):
        approvals.answer(4711, boss, approved=True)


def test_of_many_answers_at_once_exactly_one_counts(boss: User) -> None:
    run, approval = asked()
    gate, told = threading.Barrier(8), []

    def answer(approved: bool) -> None:
        gate.wait()
        try:
            approvals.answer(approval.pk, boss, approved=approved)
            told.append(approved)
        except ApprovalClosed:
            told.append(None)
        finally:
            connection.close()

    threads = [threading.Thread(target=answer, args=(bool(n % 2),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (counted,) = [each for each in told if each is not None]
    assert len(told) == 8
    approval.refresh_from_db()
    assert approval.approved is counted
    assert row(run).state == ("success" if counted else "failed")
    sound(run)


def test_an_answer_against_a_cancel_leaves_one_end(boss: User) -> None:
    for _ in range(5):
        run, approval = asked()
        gate = threading.Barrier(2)

        def cancel(run: DagRun = run, gate: threading.Barrier = gate) -> None:
            gate.wait()
            control.cancel_run(run.pk)
            connection.close()

        thread = threading.Thread(target=cancel)
        thread.start()
        gate.wait()
        try:
            approvals.answer(approval.pk, boss, approved=True)
            won = True
        except ApprovalClosed:
            won = False
        thread.join()
        assert row(run).state == ("success" if won else "cancelled")
        assert not Approval.objects.open().filter(pk=approval.pk).exists()
        sound(run)


def test_who_may_answer(boss: User) -> None:
    _, anyone = asked()
    _, named = asked(Question(users=("ada",)))
    _, grouped = asked(Question(groups=("release",)))
    ada, grace = user("ada"), user("grace", groups=("release",))
    operator, reader = user("op", "change_dagrun"), user("reader", "view_dagrun")
    gone = user("gone", "change_dagrun", groups=("release",))
    gone.is_active = False
    table = {
        who.username: [approvals.may_answer(which, who) for which in (anyone, named, grouped)]
        for who in (ada, grace, operator, reader, boss, gone)
    }
    assert table == {
        "ada": [False, True, False],
        "grace": [False, False, True],
        "op": [True, False, False],
        "reader": [False, False, False],
        "boss": [True, True, True],
        "gone": [False, False, False],
    }
    for who in (ada, grace, operator, reader, boss, gone):
        mine = set(approvals.open_to(who))
        assert mine == {which for which, may in zip((anyone, named, grouped), table[who.username], strict=True) if may}
    with pytest.raises(MayNotAnswer):
        approvals.answer(named.pk, operator, approved=True)


@pytest.mark.parametrize(
    ("then", "end_state", "run_state"), [("fail", "failed", "failed"), ("skip", "skipped", "success")]
)
def test_a_question_that_nobody_answers_times_out(boss: User, then: Any, end_state: str, run_state: str) -> None:
    run, approval = asked(Question(on_timeout=then), timeout=60)
    late(run)
    assert sweep().waits == 1
    assert (row(run).state, row(run).reason, state(run)) == (end_state, "timed_out", run_state)
    approval.refresh_from_db()
    assert approval.closed_at is not None
    with pytest.raises(ApprovalClosed):
        approvals.answer(approval.pk, boss, approved=True)
    sound(run)


def test_a_question_may_answer_itself_in_the_end() -> None:
    run, approval = asked(Question(on_timeout="approve"), timeout=60)
    late(run)
    sweep()
    approval.refresh_from_db()
    assert (row(run).state, row(run).output["approved"], row(run).output["by"]) == ("success", True, None)
    assert (approval.approved, approval.closed_at is not None) == (None, True)
    assert states(run)["after"] == "queued"
    sound(run)


def late(run: DagRun) -> None:
    ago = datetime.now(UTC) - timedelta(hours=1)
    TaskExecution.objects.filter(run=run, task_id="ask").update(waiting_since=ago, wake_at=ago)


def test_a_timeout_with_tries_left_asks_again(boss: User) -> None:
    run, first = asked(timeout=60, retry={"max_attempts": 2, "delay": 0})
    late(run)
    sweep()
    assert row(run).state == "retrying"
    sweep()
    do(run, "ask", Defer(question=Question(prompt="Really?")))
    second = Approval.objects.open().get()
    assert (second.pk > first.pk, second.attempt) == (True, 2)
    with pytest.raises(ApprovalClosed):
        approvals.answer(first.pk, boss, approved=True)
    approvals.answer(second.pk, boss, approved=True)
    assert row(run).state == "success"
    sound(run)


def test_a_cancelled_run_closes_its_questions(boss: User) -> None:
    run, approval = asked()
    control.cancel_run(run.pk)
    assert not Approval.objects.open().exists()
    with pytest.raises(ApprovalClosed):
        approvals.answer(approval.pk, boss, approved=True)
    assert sweep().questions == 1
    approval.refresh_from_db()
    assert (approval.closed_at is not None, approval.answered_at) == (True, None)
    assert sweep().questions == 0


def test_a_task_that_lost_its_claim_asks_nobody() -> None:
    run = start(dag(ask={"type": "approval"}))
    look = held(run, "ask")
    control.cancel_run(run.pk)
    with pytest.raises(LostClaim):
        end(look, Defer(question=Question()))
    assert not Approval.objects.exists()
