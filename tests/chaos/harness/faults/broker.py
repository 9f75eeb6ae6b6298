"""The broker that forgets, goes away, goes dead or slow, and loses, doubles or delays messages."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import redis

from tests.chaos.harness.faults.kinds import PAUSE, Harm, fault
from tests.chaos.harness.installation import Installation


@fault(weight=4, holds="broker")
def flush_broker(chance: random.Random) -> Harm:
    """FLUSHALL."""

    def do(place: Installation) -> str:
        with place.client() as client:
            client.flushall()
        return ""

    return do


@fault(weight=3, holds="broker")
def restart_broker(chance: random.Random) -> Harm:
    """SIGKILL; it comes back empty, as it keeps nothing on disk."""
    seconds = chance.uniform(0.1, 1.5)

    def do(place: Installation) -> str:
        place.servers.valkey.kill()
        PAUSE.wait(seconds)
        place.bring_back(place.servers.valkey)
        return ""

    return do


@fault(weight=4, holds="broker network")
def cut_broker(chance: random.Random) -> Harm:
    """Every connection to the broker is reset."""

    def do(place: Installation) -> str:
        place.broker.cut()
        return ""

    return do


@fault(weight=3, holds="broker network")
def silence_broker(chance: random.Random) -> Harm:
    """Half-open: connections to the broker carry nothing any more, and nobody is told; later they are reset."""
    seconds = chance.uniform(0.5, 4.0)

    def do(place: Installation) -> str:
        place.broker.die_silently()
        PAUSE.wait(seconds)
        place.broker.come_back()
        return ""

    return do


@fault(weight=2, holds="broker network")
def slow_broker(chance: random.Random) -> Harm:
    """Latency, each way."""
    latency, seconds = chance.uniform(0.02, 0.2), chance.uniform(1.0, 3.0)

    def do(place: Installation) -> str:
        place.broker.slow(latency)
        PAUSE.wait(seconds)
        place.broker.slow(0.0)
        return ""

    return do


Queued = list[tuple[str, list[Any]]]  # by queue, the messages that are hit


def _on_queues(chance: random.Random, work: Callable[[redis.Redis, Queued], None]) -> Harm:
    share = chance.uniform(0.3, 1.0)

    def do(place: Installation) -> str:
        try:
            with place.client() as client:
                keys = [key.decode() for key in client.keys("*celeriac*") if client.type(key) == b"list"]
                queued = [(key, list(client.lrange(key, 0, -1))) for key in sorted(keys)]
                work(client, [(key, found[: max(1, int(share * len(found)))]) for key, found in queued])
        except redis.RedisError:
            return "-"
        return ""

    return do


@fault(weight=5, holds="broker")
def drop_messages(chance: random.Random) -> Harm:
    """A share of what is queued is gone."""
    return _on_queues(chance, _drop)


def _drop(client: redis.Redis, queued: Queued) -> None:
    for key, messages in queued:
        for message in messages:
            client.lrem(key, 1, message)


@fault(weight=5, holds="broker")
def double_messages(chance: random.Random) -> Harm:
    """A share of what is queued is there twice or three times."""
    times = chance.choice([1, 2])

    def double(client: redis.Redis, queued: Queued) -> None:
        for key, messages in queued:
            for message in messages * times:
                client.lpush(key, message)

    return _on_queues(chance, double)


@fault(weight=5, holds="broker")
def delay_messages(chance: random.Random) -> Harm:
    """A share of what is queued comes late, and in another order: mostly after it was sent again and has ended."""
    seconds, order = chance.uniform(0.5, 4.0), chance.random()

    def delay(client: redis.Redis, queued: Queued) -> None:
        _drop(client, queued)
        PAUSE.wait(seconds)
        for key, messages in queued:
            for message in random.Random(order).sample(messages, len(messages)):
                client.rpush(key, message)

    return _on_queues(chance, delay)
