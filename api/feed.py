"""One reader of events for all streams of a process: an open stream holds no database connection of its own."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from django.db import DatabaseError, InterfaceError, connection
from rest_framework.utils.encoders import JSONEncoder

from workflows.conf import conf
from workflows.engine import following

log = logging.getLogger(__name__)

HEARTBEAT = 15.0  # seconds; proxies close what is silent for longer
LIFETIME = 600.0  # then the client comes again, and is asked again who it is
LINGER = 5.0  # how long the connection is kept when nobody waits
_AFTER_ERROR = 1.0

Place = tuple[int, int]  # a run, and up to where it was read


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream: whole transactions, and where to go on."""

    text: bytes
    next_since: int


Render = Callable[[following.Followed], dict[str, Any]]


class Feed:
    """Asks the database for everybody who waits, every EVENT_TICK_SECONDS, in one thread with one connection."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._waiting: dict[Place, list[asyncio.Future[Message]]] = {}
        self._reading: asyncio.Task[None] | None = None
        self.streams = 0

    async def next_message(self, place: Place) -> Message:
        """The next message after a place, when there is one."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(place, []).append(future)
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read())
        return await future

    async def _read(self) -> None:
        loop, idle = asyncio.get_running_loop(), 0.0
        pool = ThreadPoolExecutor(1, thread_name_prefix="celeriac-events")
        try:
            while idle < LINGER:
                places = self._places()
                idle = 0.0 if places else idle + conf.EVENT_TICK_SECONDS
                pause = conf.EVENT_TICK_SECONDS
                if places:
                    answer = await loop.run_in_executor(pool, _look, places, self._render)
                    self._tell(answer or {})
                    pause = pause if answer is not None else _AFTER_ERROR
                await asyncio.sleep(pause)
        finally:
            pool.submit(connection.close)
            pool.shutdown(wait=True)

    def _places(self) -> list[Place]:
        """Where somebody waits; whoever has gone is forgotten."""
        for place, futures in list(self._waiting.items()):
            self._waiting[place] = [future for future in futures if not future.done()]
            if not self._waiting[place]:
                del self._waiting[place]
        return list(self._waiting)

    def _tell(self, answer: dict[Place, Message]) -> None:
        for place, message in answer.items():
            for future in self._waiting.pop(place, ()):
                if not future.done():
                    future.set_result(message)


def _look(places: Collection[Place], render: Render) -> dict[Place, Message] | None:
    """Messages for the places that have news; None while the database cannot be asked."""
    try:
        found = following.news(places)
    except (DatabaseError, InterfaceError) as error:
        log.warning("database: %s", str(error).strip())
        connection.close()
        return None
    return {(news.run_id, news.since): _message(news, render) for news in found}


def _message(news: following.Followed, render: Render) -> Message:
    data = json.dumps(render(news), cls=JSONEncoder, separators=(",", ":"))
    return Message(f"id: {news.next_since}\ndata: {data}\n\n".encode(), news.next_since)


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def _feed_of(render: Render) -> Feed:
    """The feed of the running event loop: a process that serves has one."""
    loop = asyncio.get_running_loop()
    if loop not in _feeds:
        _feeds[loop] = Feed(render)
    return _feeds[loop]


def open_streams() -> int:
    """How many streams this process has open."""
    return sum(feed.streams for feed in _feeds.values())


async def stream(run_id: int, since: int, render: Render) -> AsyncIterator[bytes]:
    """A run's events after `since` as a text/event-stream, until LIFETIME is over or the client goes."""
    feed = _feed_of(render)
    feed.streams += 1
    try:
        yield b"retry: 1000\n\n"
        loop = asyncio.get_running_loop()
        until = loop.time() + LIFETIME
        while (left := until - loop.time()) > 0:
            try:
                message = await asyncio.wait_for(feed.next_message((run_id, since)), min(HEARTBEAT, left))
            except TimeoutError:
                yield b"event: beat\ndata: 1\n\n"
                continue
            since = message.next_since
            yield message.text
    finally:
        feed.streams -= 1
