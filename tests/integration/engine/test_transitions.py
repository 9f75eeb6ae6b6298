"""Guards: who may move what, and rows that the database refuses."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from django.db import IntegrityError, connection

from tests.support.hands import Done, Fail, Skip, claim, dag, do, end, held, start, state, states
from workflows.core.errors import LostClaim
from workflows.core.outcome import Retry
from workflows.core.states import Reason, RunState
from workflows.engine import control, sql, transitions
from workflows.engine.rows import Claim
from workflows.models import DagVersion, Event, TaskAttempt, TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def test_an_attempt_is_claimed_once() -> None:
    run = start(dag(a={}))
    assert claim(run, "a") is not None
    assert claim(run, "a") is None


@pytest.mark.parametrize("attempt", [0, 2, 99])
def test_another_attempt_cannot_be_claimed(attempt: int) -> None:
    assert claim(start(dag(a={})), "a", attempt=attempt) is None


def test_what_still_waits_cannot_be_claimed() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    assert claim(run, "b", attempt=0) is None
    assert claim(run, "b", attempt=1) is None


class AnswerLost:
    """Lets a statement commit, and loses the answer of the first that holds the given words."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, words: str) -> None:
        self.words, self.lost = words, 0
        self._run = sql.run
        monkeypatch.setattr(sql, "run", self)
        monkeypatch.setattr(sql._session, "close", lambda: None)

    def __call__(self, query: Any, params: Any = ()) -> list[Any]:
        rows = self._run(query, params)
        if self.words in query and not self.lost:
            self.lost += 1
            raise psycopg.OperationalError("the connection was cut after COMMIT was sent")
        return rows


def test_a_claim_whose_answer_was_lost_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(dag(a={}))
    cut = AnswerLost(monkeypatch, "claimed AS")
    assert claim(run, "a") is not None
    assert cut.lost == 1
    assert TaskAttempt.objects.count() == 1


@pytest.mark.parametrize("words", ["settled AS", "closed AS"])
def test_a_finish_whose_answer_was_lost_stands(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    run = start(dag(a={"retry": {"max_attempts": 2, "delay": "1h"}}, b={"depends_on": ["a"]}))
    mine = held(run, "a")
    cut = AnswerLost(monkeypatch, words)
    if words == "settled AS":
        end(mine, Done())
        assert states(run) == {"a": "success", "b": "queued"}
    else:
        with pytest.raises(LostClaim):  # the move stands; only the worker does not learn of it
            end(mine, Fail(message="no"))
        assert states(run) == {"a": "retrying", "b": "pending"}
    assert cut.lost == 1
    assert Event.objects.filter(run=run, task_id="a", old="running").count() == 1


def test_a_paused_run_is_not_claimed_and_goes_on_when_resumed() -> None:
    run = start(dag(a={}))
    assert control.pause_run(run.pk)
    assert claim(run, "a") is None
    assert control.resume_run(run.pk)
    assert claim(run, "a") is not None


def test_a_result_without_the_token_is_discarded() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    mine = held(run, "a")
    TaskExecution.objects.filter(run=run, task_id="a").update(token=uuid.uuid4())
    for outcome in (Done(), Fail(message="no"), Skip(), Retry()):
        with pytest.raises(LostClaim):
            end(mine, outcome)
    assert states(run) == {"a": "running", "b": "pending"}


def test_a_cancelled_run_refuses_late_results() -> None:
    run = start(dag(a={}, b={"depends_on": ["a"]}))
    mine = held(run, "a")
    assert control.cancel_run(run.pk, by="test")
    with pytest.raises(LostClaim):
        end(mine, Done())
    assert (state(run), set(states(run).values())) == ("cancelled", {"cancelled"})
    assert not control.cancel_run(run.pk)


def test_a_claim_waits_for_a_cancel_and_then_finds_nothing() -> None:
    run = start(dag(a={}))
    found: list[Claim | None] = []

    def try_to_claim() -> None:
        try:
            found.append(claim(run, "a"))
        finally:
            connection.close()

    racer = threading.Thread(target=try_to_claim)
    with sql.atomically():
        sql.lock_run(run.pk)
        transitions.move_run(run.pk, expect=RunState.RUNNING, to=RunState.CANCELLED)
        racer.start()
        racer.join(timeout=0.3)
        assert racer.is_alive(), "the claim did not wait for the run's lock"
        transitions.cancel_tasks(run.pk, Reason.CANCELLED_BY_USER)
    racer.join()
    assert found == [None]
    assert not Event.objects.filter(run=run, new="running", task_id="a").exists()


def test_failures_and_skips_go_down_the_graph_in_one_commit() -> None:
    run = start(
        dag(
            a={},
            b={"depends_on": ["a"]},
            c={"depends_on": ["b"]},
            clean={"depends_on": ["c"], "trigger_rule": "all_done"},
            s={},
            t={"depends_on": ["s"]},
        )
    )
    do(run, "a", Fail(message="broken"))
    assert states(run) | {"s": "", "t": ""} == {
        "a": "failed",
        "b": "upstream_failed",
        "c": "upstream_failed",
        "clean": "queued",
        "s": "",
        "t": "",
    }
    do(run, "s", Skip())
    assert states(run)["t"] == "skipped"
    do(run, "clean")
    assert state(run) == "success"


def test_a_success_after_a_failure_gives_the_join_its_verdict() -> None:
    run = start(dag(a={}, b={}, join={"depends_on": ["a", "b"]}, after={"depends_on": ["join"]}))
    do(run, "a", Fail(message="broken"))
    assert states(run)["join"] == "pending"
    do(run, "b")
    assert states(run) == {"a": "failed", "b": "success", "join": "upstream_failed", "after": "upstream_failed"}
    assert state(run) == "failed"


def test_two_upstreams_that_finish_together_release_the_join_once() -> None:
    names = [f"u{i}" for i in range(6)]
    run = start(dag(**{n: {} for n in names}, join={"depends_on": names}))
    claims = [held(run, n) for n in names]
    barrier, ready = threading.Barrier(len(claims)), []

    def finish_one(mine: Claim) -> None:
        barrier.wait()
        try:
            ready.extend(d.ready for d in end(mine, Done()).after.dispatches)
        finally:
            connection.close()

    threads = [threading.Thread(target=finish_one, args=(c,)) for c in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    row = TaskExecution.objects.get(run=run, task_id="join")
    assert (row.state, row.waiting_on, row.attempt) == ("queued", 0, 1)
    assert Event.objects.filter(run=run, task_id="join", new="queued").count() == 1


def test_two_last_leaves_that_finish_together_end_the_run() -> None:
    run = start(dag(**{f"leaf{i}": {} for i in range(6)}))
    claims = [held(run, f"leaf{i}") for i in range(6)]
    barrier = threading.Barrier(6)

    def finish_one(mine: Claim) -> None:
        barrier.wait()
        try:
            end(mine, Done())
        finally:
            connection.close()

    threads = [threading.Thread(target=finish_one, args=(c,)) for c in claims]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert state(run) == "success"
    assert Event.objects.filter(run=run, task_id="", new="success").count() == 1


ILLEGAL = [
    "UPDATE workflows_taskexecution SET state = 'skipped', ended_at = now()",  # queued → skipped
    "UPDATE workflows_taskexecution SET state = 'running'",  # without a lease
    "UPDATE workflows_taskexecution SET ended_at = now()",
    "UPDATE workflows_taskexecution SET waiting_on = -1",
    "UPDATE workflows_taskexecution SET priority = 10",
    "UPDATE workflows_taskexecution SET next_attempt_at = now()",
    "UPDATE workflows_taskexecution SET wake_at = now()",
    "UPDATE workflows_taskexecution SET held = true",  # without a limit
    "UPDATE workflows_taskexecution SET slots = 0",
    "UPDATE workflows_taskexecution SET lease_until = now()",
    "UPDATE workflows_taskexecution SET state = 'unheard'",
    "UPDATE workflows_dagrun SET state = 'pending'",
    "UPDATE workflows_dagrun SET state = 'success'",  # without its end
    "UPDATE workflows_dagversion SET plan = '{}'",
    "UPDATE workflows_dagversion SET source = 'x'",
    "INSERT INTO workflows_taskattempt (task_execution_id, number, token) "
    "SELECT id, n, gen_random_uuid() FROM workflows_taskexecution, generate_series(1, 2) n",  # two live attempts
]


@pytest.mark.parametrize("statement", ILLEGAL)
def test_the_database_refuses_impossible_rows(statement: str) -> None:
    start(dag(a={}))
    with pytest.raises(IntegrityError), connection.cursor() as cursor:
        cursor.execute(statement)


def test_versions_cannot_change_even_through_the_orm() -> None:
    start(dag(a={}))
    with pytest.raises(IntegrityError, match="immutable"):
        DagVersion.objects.update(note="a note may change", plan={})
    assert DagVersion.objects.update(note="a note may change") == 1


def test_half_surrogate_pairs_end_in_a_clear_failure() -> None:
    run = start(dag(a={}, b={}))
    do(run, "a", Done(output={"emoji": "\ud83d"}))
    do(run, "b", Fail(message="no such file: 'caf\udce9.txt'", output={"name": "caf\udce9"}))
    messages = dict(TaskExecution.objects.filter(run=run).values_list("task_id", "message"))
    assert states(run) == {"a": "failed", "b": "failed"}
    assert "surrogate" in messages["a"]
    assert messages["b"] == "no such file: 'caf?.txt'"


def test_text_about_a_nul_character_is_not_one() -> None:
    run = start(dag(a={}, b={}))
    do(run, "a", Done(output='{"escaped": "\\u0000"}'))  # a backslash and five characters, as in JSON within JSON
    do(run, "b", Done(output="\\\x00"))  # a backslash, and then the character itself
    assert states(run) == {"a": "success", "b": "failed"}


def test_output_limits_fail_the_task(settings: Any, reload_conf: Callable[[], None]) -> None:
    settings.CELERIAC = {**settings.CELERIAC, "OUTPUT_MAX_BYTES": 100}
    reload_conf()
    run = start(dag(a={}, b={}, c={}))
    do(run, "a", Done(output="x" * 200))
    do(run, "b", Done(output={"bad": "\x00"}))
    do(run, "c", Done(output=float("nan")))
    reasons = dict(TaskExecution.objects.filter(run=run).values_list("task_id", "reason"))
    assert states(run) == {"a": "failed", "b": "failed", "c": "failed"}
    assert reasons["a"] == "output_too_large"


def test_a_queued_row_of_a_run_that_is_over_cannot_be_claimed() -> None:
    """No sequence of moves leaves one behind; the claim does not rely on it."""
    run = start(dag(a={}))
    with connection.cursor() as cursor:
        cursor.execute("UPDATE workflows_dagrun SET state = 'cancelled', ended_at = now() WHERE id = %s", (run.pk,))
    assert claim(run, "a") is None
