"""Workers that look alive and take nothing, and messages that a canary proves lost."""

from __future__ import annotations

import logging
from typing import Any

import pytest
import redis
from django.db import connection

from tests.support.hands import dag, do, start
from workflows.conf import conf
from workflows.engine import canaries, standstill
from workflows.engine.reconcile import sweep
from workflows.executors import broker as asked
from workflows.models import BrokerMark, DagRun, Node
from workflows.worker import nodes

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def run_sql(statement: str, *params: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, params)


def aged(run: DagRun, seconds: float) -> None:
    """Let a run's rows have been queued so long ago."""
    run_sql(
        "UPDATE workflows_taskexecution SET queued_at = now() - make_interval(secs => %s), "
        "sent_at = sent_at - make_interval(secs => %s) WHERE run_id = %s",
        *(seconds, seconds, run.pk),
    )


def node(name: str, **more: Any) -> Node:
    """A worker that has been up for an hour."""
    known: dict[str, Any] = {"hostname": "a", "pid": 1, "queues": ["celeriac"], "concurrency": 2}
    made = Node.objects.create(name=name, **(known | more))
    run_sql("UPDATE workflows_node SET started_at = now() - interval '1 h' WHERE name = %s", name)
    return made


def flagged() -> list[str]:
    return [name for name, _, _ in standstill.stalled_nodes()]


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(standstill, "SURE_SECONDS", 0.0)


@pytest.fixture
def waiting() -> DagRun:
    """A task whose message has been in the queue for longer than any idle worker leaves one there."""
    run = start(dag(a={}))
    aged(run, conf.STALL_SECONDS + 5)
    return run


def test_a_worker_that_takes_nothing_is_flagged_and_told_of(waiting: DagRun, caplog: pytest.LogCaptureFixture) -> None:
    node("still@a")
    with caplog.at_level(logging.ERROR):
        assert sweep().stalled == 1
    assert "still@a is alive and takes nothing from celeriac. Restart it" in caplog.text
    assert flagged() == ["still@a"]
    assert sweep().stalled == 0, "told once"
    nodes.report("still@a", 1, took=True)
    assert flagged() == []
    assert sweep().stalled == 0


def test_what_has_reason_to_take_nothing_is_left_alone(waiting: DagRun) -> None:
    node("busy@a", running=2)
    node("elsewhere@a", queues=["celeriac.io"])
    node("stopped@a", stopped_at="2025-01-31T00:00:00Z")
    run_sql("UPDATE workflows_node SET took_at = now() WHERE name = %s", node("works@a").name)
    run_sql("UPDATE workflows_node SET started_at = now() WHERE name = %s", node("young@a").name)
    run_sql("UPDATE workflows_node SET heartbeat_at = now() - interval '1 h' WHERE name = %s", node("silent@a").name)
    assert sweep().stalled == 0


@pytest.mark.parametrize("held", ["t.held", "r.paused_at"])
def test_tasks_that_may_not_run_accuse_nobody(waiting: DagRun, held: str) -> None:
    node("idle@a")
    if held == "t.held":
        run_sql("UPDATE workflows_taskexecution SET gated = true, held = true")
    else:
        run_sql("UPDATE workflows_dagrun SET paused_at = now()")
    assert standstill.flag() == 0


def test_a_message_that_came_a_moment_ago_accuses_nobody(waiting: DagRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """The run was paused until now: its row is old, its message is not."""
    monkeypatch.setattr(standstill, "SURE_SECONDS", 3600.0)
    node("idle@a")
    assert [standstill.flag(), standstill.flag()] == [0, 0]
    monkeypatch.setattr(standstill, "SURE_SECONDS", 0.0)
    assert standstill.flag() == 1


def test_a_message_that_is_not_there_accuses_nobody(waiting: DagRun, broker: str) -> None:
    """The worker has nothing to take: the row is sent again, and that is all."""
    node("idle@a")
    redis.Redis.from_url(broker).delete(*redis.Redis.from_url(broker).keys("celeriac*"))
    asked.epoch()
    assert standstill.flag() == 0


def test_a_broker_that_is_down_accuses_nobody(waiting: DagRun, monkeypatch: pytest.MonkeyPatch) -> None:
    node("idle@a")
    assert sweep().stalled == 1
    monkeypatch.setattr(asked, "lengths", lambda names: None)
    run_sql("UPDATE workflows_node SET stalled_at = NULL")
    assert sweep().stalled == 0


def test_a_worker_that_starts_anew_stands_still_no_more(waiting: DagRun) -> None:
    node("still@a")
    sweep()
    nodes.register("still@a", hostname="a", pid=2, queues=["celeriac"], concurrency=2, software="")
    assert flagged() == []


# Canaries


def passed_after(seconds: float) -> None:
    """The canary behind the rows has come through; it was sent so long ago, and taken half of that ago."""
    run_sql(
        "INSERT INTO workflows_brokermark (name, value, at) VALUES ('passed:celeriac', "
        "EXTRACT(EPOCH FROM now() - make_interval(secs => %s))::text, now() - make_interval(secs => %s))",
        *(seconds, seconds / 2),
    )


def test_a_canary_is_sent_behind_what_waits_and_not_too_often() -> None:
    run = start(dag(a={}))
    sweep()
    assert not BrokerMark.objects.filter(name="canary:celeriac").exists(), "nothing has waited for long"
    aged(run, 60)
    before = asked.lengths(["celeriac"])
    sweep()
    sweep()
    after = asked.lengths(["celeriac"])
    assert before is not None
    assert after is not None
    assert after["celeriac"] == before["celeriac"] + 1
    run_sql("UPDATE workflows_brokermark SET at = now() - interval '1 h' WHERE name = 'canary:celeriac'")
    sweep()
    assert asked.lengths(["celeriac"]) == {"celeriac": before["celeriac"] + 2}


def test_what_a_canary_came_before_is_sent_again_once() -> None:
    """The queue never runs dry and nothing of the same priority runs: only the canary tells."""
    run = start(dag(a={"priority": 3}))
    aged(run, 120)
    assert sweep().resent == 0, "a backlog is no evidence"
    passed_after(60)
    assert sweep().resent == 1
    assert sweep().resent == 0
    do(run, "a")


def test_rows_sent_after_the_canary_prove_nothing() -> None:
    run = start(dag(a={}))
    aged(run, 58)
    passed_after(60)
    assert sweep().resent == 0
    aged(run, 63)
    assert sweep().resent == 0, "it may have been sent a moment after it was queued"


def test_a_canary_that_just_passed_proves_nothing_yet() -> None:
    """The worker that took the row's message a moment before may not have claimed it yet."""
    run = start(dag(a={}))
    aged(run, 120)
    passed_after(2)
    assert sweep().resent == 0


def test_an_older_canary_does_not_undo_a_younger() -> None:
    canaries.passed("celeriac", "200.0")
    canaries.passed("celeriac", "100.0")
    assert BrokerMark.objects.get(name="passed:celeriac").value == "200.0"
