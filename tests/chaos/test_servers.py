"""The broker forgets everything, the servers go away and come back, in the middle of runs."""

from __future__ import annotations

import time
from collections.abc import Callable

import redis

from tests.support.servers import Servers
from tests.support.staging import QUICK, Stage, deed
from tests.support.waiting import eventually, stays


def wide(stage: Stage, name: str, *, width: int = 30, seconds: float = 0.1) -> int:
    """A run with many tasks queued at once, and more behind them."""
    tasks = {f"a{n}": deed("work", seconds=seconds) for n in range(width)}
    tasks |= {f"b{n}": deed("work", depends_on=[f"a{n}", f"a{(n + 1) % width}"]) for n in range(0, width, 2)}
    tasks["join"] = deed("work", depends_on=[name for name in tasks if name.startswith("b")])
    return stage.run(name, tasks)


def under_way(stage: Stage, run: int, count: int = 5) -> None:
    """Return when some of the run's tasks have ended."""
    eventually(lambda: len(stage.lines("end", run)) >= count, 30, saying=stage.report)


def each_once(stage: Stage, run: int) -> None:
    """Every task ended well in its first attempt, and ran once."""
    tasks = stage.tasks(run)
    assert set(tasks.values()) == {"success"}
    assert [line["attempt"] for line in stage.lines("start", run)] == [1] * len(tasks)
    stage.check(run)


def test_a_broker_that_forgets_everything_costs_only_time(stage_of: Callable[..., Stage], broker: str) -> None:
    """FLUSHALL, first without a reconciler, to show that the run would not end; then with one."""
    stage = stage_of(reconciler=False)
    client = redis.Redis.from_url(broker)
    run = wide(stage, "flushed")
    under_way(stage, run)
    client.flushall()
    seen = -1

    def nothing_new() -> bool:
        nonlocal seen
        before, seen = seen, len(stage.lines("end", run))
        return before == seen

    eventually(nothing_new, 10, every=0.5)
    stays(nothing_new, 1.0, every=0.3)
    assert stage.state(run) == "running"
    assert "queued" in stage.tasks(run).values()

    stage.stack.reconciler()
    assert stage.ended(run) == ["success"]
    each_once(stage, run)

    again = wide(stage, "flushed_again")
    under_way(stage, again)
    client.flushall()
    client.close()
    at = time.monotonic()
    assert stage.ended(again) == ["success"]
    assert time.monotonic() - at < QUICK["REDELIVER_SECONDS"] + QUICK["SWEEP_SECONDS"] + 10
    each_once(stage, again)


def test_a_broker_that_comes_back_costs_only_time(stage_of: Callable[..., Stage], servers: Servers) -> None:
    stage = stage_of()
    run = wide(stage, "broker_restart")
    under_way(stage, run)
    servers.valkey.kill()
    servers.valkey.start()
    assert stage.ended(run) == ["success"]
    each_once(stage, run)
    after = stage.run("after_broker_restart", {"a": deed("work"), "b": deed("work", depends_on=["a"])})
    assert stage.ended(after) == ["success"]


def test_a_database_that_restarts_loses_no_result(stage_of: Callable[..., Stage], servers: Servers) -> None:
    """Down for longer than a lease: what runs keeps running, its results are written later, and none runs twice."""
    from django.db import connections

    stage = stage_of()
    run = wide(stage, "database_restart", width=12, seconds=0.5)
    under_way(stage, run, count=3)
    servers.postgres.kill()
    stays(lambda: not servers.postgres.alive(), QUICK["LEASE_SECONDS"] + 1.0)
    servers.postgres.start()
    connections.close_all()
    assert stage.ended(run) == ["success"]
    each_once(stage, run)
