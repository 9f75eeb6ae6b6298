"""What the reconciler takes as evidence that the broker lost its messages."""

from __future__ import annotations

import redis

from tests.support.servers import Servers
from workflows.executors import broker as asked


def test_the_mark_stays_until_the_broker_forgets(broker: str) -> None:
    """Nothing else tells a flushed broker with new messages in it from one that is only busy."""
    first = asked.epoch()
    assert first
    assert asked.epoch() == first
    redis.Redis.from_url(broker).flushall()
    assert asked.epoch() not in (None, first)


def test_a_broker_that_is_down_is_no_evidence(servers: Servers, broker: str) -> None:
    """ "Down" must not be read as "empty": everything would be sent twice when it comes back."""
    servers.valkey.kill()
    try:
        assert asked.epoch() is None
        assert asked.empty_queues(["celeriac"]) == set()
    finally:
        servers.valkey.start()
    assert asked.epoch()
