"""Messages that are lost, doubled, late, or in another order: they cost time, and never an execution."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import redis

from tests.support.staging import Stage, deed
from tests.support.waiting import eventually, stays

WIDTH = 30


def fan(stage: Stage, name: str, *, seconds: float = 0.1) -> int:
    """A run with many messages queued at once."""
    tasks = {f"a{n}": deed("work", seconds=seconds) for n in range(WIDTH)}
    return stage.run(name, {**tasks, "join": deed("work", depends_on=list(tasks))})


@contextmanager
def queues(stage: Stage) -> Iterator[tuple[redis.Redis, list[bytes]]]:
    """The broker, and the lists in it that hold our messages."""
    client = redis.Redis.from_url(stage.stack.broker_url)
    try:
        yield client, [key for key in client.keys("*celeriac*") if client.type(key) == b"list"]
    finally:
        client.close()


def each_once(stage: Stage, run: int) -> None:
    """Every task ended well, in its first attempt, and ran once."""
    assert stage.ended(run, timeout=60) == ["success"]
    assert sorted(line["attempt"] for line in stage.lines("start", run)) == [1] * (WIDTH + 1)
    stage.check(run)


def test_a_doubled_message_runs_once(stage_of: Callable[..., Stage]) -> None:
    """Each one twice in a row, while the first runs, and once more in another order, when it has ended."""
    stage = stage_of(concurrency=4)
    run = fan(stage, "doubled", seconds=0.3)
    with queues(stage) as (client, keys):
        for key in keys:
            messages = client.lrange(key, 0, -1)
            assert messages
            client.delete(key)
            shuffled = random.Random(1).sample(messages, len(messages))
            for message in [*(each for each in reversed(messages) for _ in range(2)), *shuffled]:
                client.lpush(key, message)
    each_once(stage, run)


def test_a_message_that_is_lost_is_sent_again(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of()
    run = fan(stage, "dropped")
    with queues(stage) as (client, keys):
        for key in keys:
            for message in client.lrange(key, 0, -1)[::2]:
                client.lrem(key, 1, message)
    each_once(stage, run)


def test_a_message_that_comes_late_runs_nothing(stage_of: Callable[..., Stage]) -> None:
    """Held back until the run has ended by other messages; then until another run was cancelled."""
    stage = stage_of()
    run = fan(stage, "late")
    held: list[tuple[bytes, bytes]] = []
    with queues(stage) as (client, keys):
        for key in keys:
            held += [(key, message) for message in client.lrange(key, 0, -1)]
            client.delete(key)
        each_once(stage, run)
        for key, message in held:
            client.lpush(key, message)
        eventually(lambda: not any(client.llen(key) for key, _ in held), 20)
    stays(lambda: len(stage.lines("start", run)) == WIDTH + 1, 0.5)
    stage.check(run)


def test_a_broker_that_forgot_is_noticed_by_its_mark(stage_of: Callable[..., Stage]) -> None:
    """The other evidence takes a minute here, and new messages keep the queue from being empty."""
    stage = stage_of(REDELIVER_SECONDS=60.0)
    run = fan(stage, "forgotten")
    with queues(stage) as (client, _):
        client.flushall()
    at = time.monotonic()
    each_once(stage, run)
    assert time.monotonic() - at < 30
