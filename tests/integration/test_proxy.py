"""The proxy of the fault tests does the harm that it says."""

from __future__ import annotations

import time
from collections.abc import Iterator
from urllib.parse import urlsplit

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.support.proxy import Proxy
from tests.support.waiting import eventually


@pytest.fixture
def proxy(postgres: str) -> Iterator[Proxy]:
    made = Proxy(urlsplit(postgres).port or 0, postgres=True)
    yield made
    made.close()


@pytest.fixture
def client(postgres: str, proxy: Proxy) -> Iterator[psycopg.Connection]:
    """A session through the proxy with a table of its own."""
    url = postgres.replace(f":{urlsplit(postgres).port}/", f":{proxy.port}/") + "?sslmode=disable&gssencmode=disable"
    with psycopg.connect(postgres, autocommit=True) as direct:
        direct.execute("CREATE TABLE IF NOT EXISTS proxied (n int)")
        direct.execute("TRUNCATE proxied")
    connection = psycopg.connect(url, autocommit=True, prepare_threshold=0)
    yield connection
    connection.close()


def rows(postgres: str) -> list[int]:
    with psycopg.connect(postgres, autocommit=True) as direct:
        return [row[0] for row in direct.execute("SELECT n FROM proxied ORDER BY n")]


def test_it_forwards(client: psycopg.Connection, postgres: str) -> None:
    for n in range(20):
        client.execute("INSERT INTO proxied VALUES (%s)", (n,))
    found = client.execute("SELECT n, repeat('x', 100000) FROM proxied ORDER BY n").fetchall()
    assert [row[0] for row in found] == rows(postgres) == list(range(20))


def test_a_cut_connection_is_seen_as_lost(client: psycopg.Connection, proxy: Proxy) -> None:
    assert proxy.cut() == 1
    with pytest.raises(psycopg.OperationalError):
        client.execute("SELECT 1")


@pytest.mark.parametrize("in_transaction", [False, True])
def test_a_commit_whose_answer_is_lost_is_a_commit(
    client: psycopg.Connection, proxy: Proxy, postgres: str, in_transaction: bool
) -> None:
    client.execute("INSERT INTO proxied VALUES (%s)", (1,))
    proxy.cut_after_commit(matching="COMMIT" if in_transaction else "INTO proxied")
    assert client.execute("SELECT count(*) FROM proxied").fetchone() == (1,)

    def insert() -> None:
        if in_transaction:
            with client.transaction():
                client.execute("INSERT INTO proxied VALUES (%s)", (2,))
                client.execute("INSERT INTO proxied VALUES (%s)", (3,))
        else:
            client.execute("INSERT INTO proxied VALUES (%s)", (2,))

    with pytest.raises(psycopg.OperationalError):
        insert()
    assert rows(postgres) == ([1, 2, 3] if in_transaction else [1, 2])
    assert len(proxy.lost_answers) == 1


def test_a_dead_connection_says_nothing_until_it_comes_back(broker: str) -> None:
    made = Proxy(urlsplit(broker).port or 0)
    url = broker.replace(f":{urlsplit(broker).port}/", f":{made.port}/")
    client = redis.Redis.from_url(url, socket_timeout=0.3, retry=Retry(NoBackoff(), 0))
    try:
        client.set("proxied", 1)
        made.die_silently()
        with pytest.raises(redis.TimeoutError):
            client.get("proxied")
        made.come_back()
        eventually(lambda: client.get("proxied") == b"1")
        made.slow(0.1)
        began = time.monotonic()
        client.get("proxied")
        assert 0.2 <= time.monotonic() - began < 0.3
    finally:
        client.close()
        made.close()


def test_nobody_behind_it_is_a_refusal(broker: str) -> None:
    made = Proxy(9)
    try:
        client = redis.Redis(port=made.port, retry=Retry(NoBackoff(), 0), socket_timeout=2)
        with pytest.raises(redis.ConnectionError):
            client.ping()
    finally:
        made.close()
