"""Connections that break at the worst moment, or go dead without a word."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.proxy import Proxy
from tests.support.stack import Stack
from tests.support.staging import Stage, deed, environment
from tests.support.waiting import eventually, stays

# The statements of a worker, by what is particular to each.
STATEMENTS = {
    "claim": r"SET state = 'running', token",
    "success": r"SET state = 'success'",
    "commit": r"^COMMIT",  # of a cascade, of the end of a run
    "retry": r"next_attempt_at = now\(\) \+ make_interval",
    "renewal": r"SET lease_until = now\(\)",
    "log": r"workflows_logchunk",
}


def port(url: str) -> int:
    """The port of an address."""
    return urlsplit(url).port or 0


def through(url: str, proxy: Proxy) -> str:
    """The same address behind a proxy."""
    return url.replace(f":{port(url)}/", f":{proxy.port}/")


@pytest.fixture
def stage(live_stack: Callable[..., Stack], tmp_path: Path) -> Stage:
    """A stage without workers: the tests start them behind a proxy."""
    return Stage(live_stack(workers=0, env=environment(tmp_path)), tmp_path)


@pytest.fixture
def postgres_proxy(stage: Stage) -> Iterator[Proxy]:
    made = Proxy(port(stage.stack.database_url), postgres=True)
    yield made
    stage.stack.end()
    made.close()


@pytest.fixture
def broker_proxy(stage: Stage) -> Iterator[Proxy]:
    made = Proxy(port(stage.stack.broker_url))
    yield made
    stage.stack.end()
    made.close()


def work(stage: Stage, name: str) -> int:
    """A run through each of a worker's statements."""
    stage.publish("net_child", {"x": deed("work")})
    tasks = {
        "a": deed("talk"),
        "b": deed("work", depends_on=["a"], seconds=0.7),
        "again": deed("work", fail_until=1, retry={"max_attempts": 4, "delay": 0}),
        "bad": deed("work", fail_until=99),
        "sub": {"type": "subdag", "parameters": {"dag_id": "net_child"}},
    }
    return stage.run(name, {**tasks, "end": deed("work", depends_on=list(tasks), trigger_rule="all_done")})


def test_a_commit_whose_answer_is_lost_counts_once(stage: Stage, postgres_proxy: Proxy) -> None:
    """PostgreSQL has done it, and the worker cannot know: for each of its statements, several times."""
    env = {"DATABASE_URL": through(stage.stack.database_url, postgres_proxy), "PGSSLMODE": "disable"}
    stage.stack.worker(env={**env, "PGGSSENCMODE": "disable"})
    for name, statement in STATEMENTS.items():
        before = len(postgres_proxy.lost_answers)
        postgres_proxy.cut_after_commit(3, statement)
        run = work(stage, f"lost_{name.replace(' ', '_')}")
        assert stage.ended(run, timeout=60) == ["success"], name
        assert len(postgres_proxy.lost_answers) > before, f"{name}: no answer was lost"
        postgres_proxy.cut_after_commit(0)
        stage.check(run)
        starts = [(line["task"], line["attempt"]) for line in stage.lines("start", run)]
        assert sorted(starts) == [("a", 1), ("again", 1), ("again", 2), ("b", 1), ("bad", 1), ("end", 1)], name


def test_a_database_connection_that_is_cut_costs_no_attempt(stage: Stage, postgres_proxy: Proxy) -> None:
    env = {"DATABASE_URL": through(stage.stack.database_url, postgres_proxy), "PGSSLMODE": "disable"}
    stage.stack.worker(env={**env, "PGGSSENCMODE": "disable"}, concurrency=4)
    tasks = {f"a{n}": deed("work", seconds=0.4) for n in range(20)}
    run = stage.run("cut", {**tasks, "join": deed("work", depends_on=list(tasks))})
    for _ in range(8):
        stays(lambda: True, 0.25)
        postgres_proxy.cut()
    assert stage.ended(run, timeout=60) == ["success"]
    assert [line["attempt"] for line in stage.lines("start", run)] == [1] * 21
    stage.check(run)


def test_a_broker_that_goes_dead_without_a_word_is_left(stage: Stage, broker_proxy: Proxy) -> None:
    """Half-open: what the worker holds open carries nothing any more; new connections would work."""
    broker = through(stage.stack.broker_url, broker_proxy)
    settings = "tests.chaos.harness.settings"  # the project's, but three seconds instead of thirty
    worker = stage.stack.worker(env={"BROKER_URL": broker, "DJANGO_SETTINGS_MODULE": settings})
    first = stage.run("before_silence", {"a": deed("work"), "b": deed("work", depends_on=["a"])})
    assert stage.ended(first) == ["success"]
    broker_proxy.die_silently(only_old=True)
    run = stage.run("in_silence", {"a": deed("work"), "b": deed("work", depends_on=["a"])})
    assert stage.ended(run, timeout=60) == ["success"]
    stage.check(run)
    assert worker.alive()


def test_a_broker_that_goes_silent_and_comes_back_costs_only_time(stage: Stage, broker_proxy: Proxy) -> None:
    broker = through(stage.stack.broker_url, broker_proxy)
    stage.stack.worker(env={"BROKER_URL": broker, "DJANGO_SETTINGS_MODULE": "tests.chaos.harness.settings"})
    tasks = {f"a{n}": deed("work", seconds=0.1) for n in range(20)}
    run = stage.run("silent", {**tasks, "join": deed("work", depends_on=list(tasks))})
    eventually(lambda: len(stage.lines("end", run)) >= 3, 20)
    broker_proxy.die_silently()
    stays(lambda: True, 2.0)
    broker_proxy.come_back(cut=False)
    assert stage.ended(run, timeout=60) == ["success"]
    assert [line["attempt"] for line in stage.lines("start", run)] == [1] * 21
    stage.check(run)
