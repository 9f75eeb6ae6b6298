"""How attempts end on a real worker when tasks run out of time, die, or fail and try again."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest
from pytest_django import DjangoDbBlocker

from tests.support.servers import Servers
from tests.support.staging import Stage, deed, staged
from tests.support.waiting import eventually

CONCURRENCY = 5


@pytest.fixture(scope="module")
def stage(
    servers: Servers, _valkey: str, _template_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stage]:
    with staged(servers, _valkey, _template_database, django_db_blocker, MAX_LOST_ATTEMPTS=2) as start:
        yield start(concurrency=CONCURRENCY)


@pytest.fixture(scope="module")
def runs(stage: Stage) -> dict[str, int]:
    """Runs that need nothing but time, started together: their waits overlap."""
    twice, thrice = {"max_attempts": 2, "delay": 0}, {"max_attempts": 3, "delay": 0}
    documents = {
        "poison": {"t": deed("die", times=99), "after": deed("work", depends_on=["t"])},
        "stubborn": {"t": deed("stubborn", timeout=1)},
        "stubborn_once": {"t": deed("stubborn", timeout=1, until_attempt=2, retry=twice)},
        "once": {
            "killed": deed("die", times=1, at_most_once=True, retry=thrice),
            "failed": deed("work", fail_until=1, at_most_once=True, retry=thrice),
        },
        "out_of_time": {
            "python": deed("work", seconds=30, timeout=1),
            "shell": stage.shell(stage.gate("never"), timeout=1),
            "after": deed("work", depends_on=["python"], trigger_rule="all_failed"),
        },
        "retries": {"t": deed("work", fail_until=2, retry={"max_attempts": 3, "delay": 0.6, "backoff": 2})},
        "fails": {"t": deed("work", fail_until=1)},
        "healthy": {f"t{n}": deed("work", seconds=0.2) for n in range(12)},
    }
    return {name: stage.run(name, tasks) for name, tasks in documents.items()}


def pool(stage: Stage) -> set[int]:
    """The worker's pool children."""
    return {child.pid for child in stage.stack["worker"].process.children()}


def test_a_task_that_runs_out_of_time_fails_as_timed_out(stage: Stage, runs: dict[str, int]) -> None:
    """Python by its soft limit, shell with everything that it started."""
    run = runs["out_of_time"]
    assert stage.ended(run) == ["failed"]
    assert stage.tasks(run) == {"python": "failed/timed_out", "shell": "failed/timed_out", "after": "success"}
    for task in ("python", "shell"):
        assert stage.attempts(run, task) == ["failed/timed_out"]
        assert stage.story(run, task) == ["pending>queued", "queued>running", "running>failed/timed_out"]
    stage.check(run)
    assert stage.lines("grandchild", run), "the grandchild never lived: the test shows nothing"
    assert not stage.lines("late", run)


def test_a_task_that_ignores_its_soft_limit_is_killed_and_counts_once(stage: Stage, runs: dict[str, int]) -> None:
    """Celery tells of a hard limit twice; the guard lets one through. The retry policy counts it as a failure."""
    last, again = runs["stubborn"], runs["stubborn_once"]
    assert stage.ended(last, again) == ["failed", "success"]
    assert stage.lines("ignored", last), "the soft limit never struck: the test shows nothing"
    assert stage.story(last, "t") == ["pending>queued", "queued>running", "running>failed/timed_out"]
    assert stage.attempts(last, "t") == ["failed/timed_out"]
    assert stage.story(again, "t")[2:4] == ["running>retrying/timed_out", "retrying>queued"]
    assert stage.attempts(again, "t") == ["retrying/timed_out", "success"]
    assert stage.execution(again, "t").failures == 1
    stage.check(last, again)


def test_a_pool_child_that_is_killed_costs_one_attempt(stage: Stage) -> None:
    """The worker's main process sees it; no lease has to run out."""
    run = stage.run("child_killed", {"t": deed("work", gate=stage.gate("child_killed"))})
    child = stage.started(run, "t")["pid"]
    os.kill(child, signal.SIGKILL)
    stage.started(run, "t", attempt=2, timeout=10)
    stage.open("child_killed")
    assert stage.ended(run) == ["success"]
    assert stage.attempts(run, "t") == ["lost/killed", "success"]
    assert stage.story(run, "t") == [
        *("pending>queued", "queued>running", "running>queued/killed"),
        *("queued>running", "running>success"),
    ]
    assert (stage.execution(run, "t").losses, stage.execution(run, "t").failures) == (1, 0)
    # Not against the size just before: a task of another test may have killed a child in that moment.
    eventually(lambda: len(pool(stage) - {child}) == CONCURRENCY, 40, saying=lambda: f"the pool is {pool(stage)}")
    stage.check(run)


def test_a_poisonous_task_is_given_up_and_takes_nobody_with_it(stage: Stage, runs: dict[str, int]) -> None:
    poison, healthy = runs["poison"], runs["healthy"]
    assert stage.ended(poison, healthy, timeout=40) == ["failed", "success"]
    assert stage.tasks(poison) == {"t": "failed/poisoned", "after": "upstream_failed/upstream_failed"}
    assert stage.attempts(poison, "t") == ["lost/killed", "lost/poisoned"]
    assert "MAX_LOST_ATTEMPTS" in stage.execution(poison, "t").message
    stage.check(poison, healthy)
    assert len(stage.lines("start", healthy)) == 12


def test_a_task_that_may_run_once_is_never_run_again(stage: Stage, runs: dict[str, int]) -> None:
    """Neither after a death nor after an ordinary failure, whatever its retry policy says."""
    run = runs["once"]
    assert stage.ended(run) == ["failed"]
    assert stage.tasks(run) == {"killed": "failed/killed", "failed": "failed/error"}
    assert stage.attempts(run, "killed") == ["lost/killed"]
    assert len(stage.lines("start", run)) == 2
    stage.check(run)


def test_retries_wait_for_their_time_and_are_seen_by_celery(stage: Stage, runs: dict[str, int]) -> None:
    from workflows.models import TaskAttempt

    run = runs["retries"]
    assert stage.ended(run) == ["success"]
    assert stage.attempts(run, "t") == ["retrying/error", "retrying/error", "success"]
    first, second, third = TaskAttempt.objects.filter(task_execution__run_id=run).order_by("number")
    assert [a.number for a in (first, second, third)] == [1, 2, 3]
    assert (second.started_at - first.ended_at).total_seconds() >= 0.6
    assert (third.started_at - second.ended_at).total_seconds() >= 1.2
    execution = stage.execution(run, "t")
    assert (execution.output, execution.failures) == (3, 2)
    log = stage.stack["worker"].log()
    assert f"Task retries.t[{run}.0-1] retry: retries.t: attempt 1 was to fail" in log
    assert f"Task retries.t[{run}.0-3] succeeded" in log
    stage.check(run)


def test_a_failed_task_is_a_failure_for_celery_too(stage: Stage, runs: dict[str, int]) -> None:
    run = runs["fails"]
    assert stage.ended(run) == ["failed"]
    said = f"[{run}.0-1] raised expected: TaskFailed('fails.t: attempt 1 was to fail')"
    eventually(lambda: said in stage.stack["worker"].log(), 5)
    stage.check(run)


def test_a_run_that_is_out_of_time_fails_with_all_that_it_runs(stage: Stage) -> None:
    run = stage.run(
        "deadline",
        {"shell": stage.shell(stage.gate("never")), "after": deed("work", depends_on=["shell"])},
        config={"timeout": 2},
    )
    stage.started(run, "shell")
    assert stage.ended(run) == ["failed"]
    from workflows.models import DagRun

    assert DagRun.objects.get(pk=run).reason == "run_timed_out"
    assert stage.tasks(run) == {"shell": "cancelled/run_timed_out", "after": "cancelled/run_timed_out"}
    assert stage.attempts(run, "shell") == ["cancelled/run_timed_out"]
    stage.check(run)


def test_cancelling_a_run_kills_what_it_runs_with_all_below(stage: Stage) -> None:
    """A python task in the pool's own process, a shell with a grandchild in a session of its own, a task that waits."""
    from workflows.engine import control

    run = stage.run(
        "cancelled",
        {
            "python": deed("work", gate=stage.gate("never")),
            "shell": stage.shell(stage.gate("never")),
            "waits": deed("work", depends_on=["python", "shell"]),
        },
    )
    child = psutil.Process(stage.started(run, "python")["pid"])
    eventually(lambda: stage.lines("grandchild", run), 10)
    assert control.cancel_run(run, by="a test")
    at = time.monotonic()
    assert stage.state(run) == "cancelled"
    eventually(lambda: not child.is_running() and not stage.orphans(run), 5)
    assert time.monotonic() - at < 5
    assert set(stage.tasks(run).values()) == {"cancelled/cancelled_by_user"}
    assert stage.attempts(run, "python") == ["cancelled/cancelled_by_user"]
    assert stage.attempts(run, "waits") == []
    assert stage.story(run, "shell")[-1] == "running>cancelled/cancelled_by_user"
    assert not control.cancel_run(run)
    stage.check(run)
    assert not stage.lines("end", run)
