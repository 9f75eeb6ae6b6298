"""Cancel against finish, thousands of times: each run and each task ends once, and all that is told of it agrees."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import connection, connections

from tests.support.hands import Done, Fail, dag, held
from workflows.core.errors import LostClaim
from workflows.core.states import Reason, RunState
from workflows.engine import control, invariants, plans
from workflows.engine.advance import conclude
from workflows.engine.finish import finish
from workflows.engine.launch import launch
from workflows.engine.publish import publish
from workflows.engine.rows import Claim
from workflows.executors import send
from workflows.models import DagVersion

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]

PAIRS = 4  # races that go on at the same time
FEW = int(os.environ.get("CELERIAC_RACES", "300"))
MANY = 10_000


@pytest.fixture(autouse=True)
def _nothing_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(send, "send", lambda dispatches: 0)
    monkeypatch.setattr(send, "revoke", lambda ids, kill: None)


@pytest.fixture
def versions() -> list[DagVersion]:
    """A task alone, one with another behind it, one that is tried again, one behind a branch."""
    documents = [
        dag("alone", a={}),
        dag("before", a={}, b={"depends_on": ["a"]}),
        dag("again", a={"retry": {"max_attempts": 2}}),
        dag("beside", a={}, b={}, c={"depends_on": ["a", "b"], "trigger_rule": "all_done"}),
    ]
    found = [publish(document) for document in documents]
    return list(DagVersion.objects.filter(pk__in=[version.pk for version in found]).select_related("dag"))


@contextmanager
def racers(number: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that keep their connections from race to race."""
    opened: list[Any] = []

    def begin() -> None:
        connections["default"].inc_thread_sharing()  # closed below, by this thread
        opened.append(connections["default"])

    try:
        with ThreadPoolExecutor(number, initializer=begin) as threads:
            yield threads
    finally:
        for each in opened:
            each.close()


def finishing(mine: Claim, outcome: Any, barrier: threading.Barrier) -> str:
    barrier.wait()
    try:
        done = finish(mine, plans.plan_of(mine.version_id), outcome, chance=0)
    except LostClaim:
        return "refused"
    conclude(done.after)
    return str(done.state)


def cancelling(run_id: int, barrier: threading.Barrier) -> bool:
    barrier.wait()
    return control.stop_run(run_id, RunState.CANCELLED, Reason.CANCELLED_BY_USER)


def race(versions: list[DagVersion], number: int, threads: ThreadPoolExecutor) -> tuple[str, bool]:
    """One race; how the worker's and the canceller's side saw it end."""
    run = launch(versions[number % len(versions)])
    mine = held(run, "a")
    outcome = Done() if number % 3 else Fail(message="x")
    barrier = threading.Barrier(2)
    first = threads.submit(finishing, mine, outcome, barrier)
    second = threads.submit(cancelling, run.pk, barrier)
    return first.result(), second.result()


_TWICE = """
SELECT run_id, task_id, count(*) FROM workflows_event
 WHERE new = ANY (ARRAY['success', 'failed', 'skipped', 'upstream_failed', 'cancelled'])
 GROUP BY run_id, task_execution_id, task_id HAVING count(*) > 1
"""
_OPEN = """
SELECT r.id, r.state, t.task_id, t.state FROM workflows_dagrun r JOIN workflows_taskexecution t ON t.run_id = r.id
 WHERE r.ended_at IS NULL OR t.ended_at IS NULL
"""


def rows(query: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query)
        return list(cursor.fetchall())


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])])
def test_a_cancel_and_a_finish_leave_one_end(versions: list[DagVersion], count: int) -> None:
    with racers(2 * PAIRS) as threads, racers(PAIRS) as starters:
        ends = Counter(starters.map(lambda number: race(versions, number, threads), range(count)))
    print(f"\n{count} races: {dict(ends)}")
    assert sum(number for (worker, _), number in ends.items() if worker == "refused") > 0, "cancel never came first"
    assert sum(number for (worker, _), number in ends.items() if worker != "refused") > 0, "finish never came first"
    assert rows(_TWICE) == [], "a run or a task ended twice"
    assert [row for row in rows(_OPEN) if row[1] == "cancelled"] == [], "a cancelled run has an open task"
    assert [row for row in rows(_OPEN) if row[1] != "cancelled"] == [], "a cancel that was not over left its run open"
    assert [finding for finding in invariants.audit(quiescent=True, newest=count) if not finding.holds] == []
