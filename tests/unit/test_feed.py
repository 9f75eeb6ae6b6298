"""Streams of events: who is let in, how long they last, and that none is counted for longer than it is there."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Collection, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import OperationalError

from api import feed
from workflows.conf import conf
from workflows.engine import following
from workflows.engine.queries import EventRow

Told = dict[tuple[int, int], tuple[str, str]]


def event(seq: int, old: str, new: str) -> EventRow:
    empty = dict.fromkeys(("task_id", "reason", "message", "node"), "")
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return EventRow(seq=seq, id=seq, task_execution_id=None, attempt=0, old=old, new=new, at=at, **empty)


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> Iterator[Told]:
    """What is new at each place: (state before, state after) of the run."""
    places: Told = {}

    def news(asked: Collection[tuple[int, int]]) -> list[following.Followed]:
        return [
            following.Followed(run_id=run, since=since, events=(event(since + 1, *places[run, since]),), run_state="")
            for run, since in asked
            if (run, since) in places
        ]

    monkeypatch.setattr(following, "news", news)
    monkeypatch.setattr(conf, "EVENT_TICK_SECONDS", 0.01)
    for name, seconds in (("HEARTBEAT", 0.05), ("QUIET", 0.03), ("LINGER", 0.02)):
        monkeypatch.setattr(feed, name, seconds)
    yield places
    gc.collect()
    assert not feed._open


def stream(since: int = 0, *, reader: object = 1, allowed: Callable[[], bool] = lambda: True) -> feed.Stream:
    return feed.Stream(7, since, _render, reader=reader, allowed=allowed)


def _render(news: following.Followed) -> dict[str, Any]:
    return {"new": news.events[-1].new}


def read(one: feed.Stream, most: int = 1000) -> list[bytes]:
    async def parts() -> list[bytes]:
        found: list[bytes] = []
        async for part in one:
            found.append(part)
            if len(found) == most:
                break
        return found

    return asyncio.run(asyncio.wait_for(parts(), 20))


def test_a_stream_ends_after_the_end_of_its_run(told: Told) -> None:
    told.update({(7, 0): ("pending", "running"), (7, 1): ("running", "failed")})
    one = stream()
    assert feed.admit(one)
    parts = read(one)
    assert [part.split(b"\n")[0] for part in parts] == [b"retry: 1000", b"id: 1", b"id: 2"]
    assert not feed._open


def test_a_run_that_is_opened_again_is_followed_on(told: Told) -> None:
    told.update({(7, 0): ("running", "failed"), (7, 1): ("failed", "running")})
    assert read(stream(), 4)[-1].startswith(b"event: beat")


def test_who_may_no_more_is_told_no_more() -> None:
    answers = [True, False]
    parts = read(stream(allowed=lambda: answers.pop(0)))
    assert parts[0].startswith(b"retry")
    assert set(parts[1:]) == {b"event: beat\ndata: 1\n\n"}
    assert not answers


def test_a_database_that_is_away_shuts_nobody_out() -> None:
    def asked() -> bool:
        raise OperationalError("gone")

    assert len(read(stream(allowed=asked), 5)) == 5


def test_streams_are_bounded_for_each_user_and_in_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(conf, "EVENT_STREAMS", 3)
    monkeypatch.setattr(conf, "EVENT_STREAMS_OF_USER", 2)
    held = [stream(reader=reader) for reader in (1, 1, 1, 2, 3)]
    assert [feed.admit(one) for one in held] == [True, True, False, True, False]
    held[0].close()
    assert feed.admit(held[4])


def test_a_stream_that_nobody_ever_read_is_not_counted_for_ever() -> None:
    assert feed.admit(stream())
    gc.collect()
    assert not feed._open
