"""One reader of events for all streams of a process: an open stream holds no database connection of its own."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

from django.db import DatabaseError, InterfaceError, connection
from rest_framework.utils.encoders import JSONEncoder

from workflows.conf import conf
from workflows.core.states import RUN_FINAL
from workflows.engine import following

log = logging.getLogger(__name__)

HEARTBEAT = 15.0  # seconds; proxies close what is silent for longer
LIFETIME = 600.0  # then the client comes again, and is asked again who it is
QUIET = 2.0  # after the event that ended the run: then nothing more is to come
LINGER = 5.0  # how long the connection is kept when nobody waits
_AFTER_ERROR = 1.0

Place = tuple[int, int]  # a run, and up to where it was read


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a stream: whole transactions, and where to go on."""

    text: bytes
    next_since: int
    over: bool  # it tells the run's end


Render = Callable[[following.Followed], dict[str, Any]]


class Feed:
    """Asks the database for everybody who waits, every EVENT_TICK_SECONDS, in one thread with one connection."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._waiting: dict[Place, list[asyncio.Future[Message]]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._pool = ThreadPoolExecutor(1)

    async def next_message(self, place: Place) -> Message:
        """The next message after a place, when there is one."""
        future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(place, []).append(future)
        self._start()
        return await future

    async def ask(self, question: Callable[[], bool]) -> bool:
        """The answer to a question that needs the database; yes, while that cannot be asked."""
        self._start()
        return await asyncio.get_running_loop().run_in_executor(self._pool, _answer, question)

    def _start(self) -> None:
        if self._reading is None or self._reading.done():
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="celeriac-events")
            self._reading = asyncio.create_task(self._read(self._pool))

    async def _read(self, pool: ThreadPoolExecutor) -> None:
        loop, idle = asyncio.get_running_loop(), 0.0
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


def _answer(question: Callable[[], bool]) -> bool:
    try:
        return question()
    except (DatabaseError, InterfaceError) as error:
        log.warning("database: %s", str(error).strip())
        connection.close()
        return True


def _message(news: following.Followed, render: Render) -> Message:
    data = json.dumps(render(news), cls=JSONEncoder, separators=(",", ":"))
    own = [event.new for event in news.events if event.task_execution_id is None]
    over = bool(own) and own[-1] in RUN_FINAL
    return Message(f"id: {news.next_since}\ndata: {data}\n\n".encode(), news.next_since, over)


_feeds: WeakKeyDictionary[asyncio.AbstractEventLoop, Feed] = WeakKeyDictionary()


def _feed_of(render: Render) -> Feed:
    """The feed of the running event loop: a process that serves has one."""
    loop = asyncio.get_running_loop()
    if loop not in _feeds:
        _feeds[loop] = Feed(render)
    return _feeds[loop]


class Stream:
    """A run's events after `since` as a text/event-stream.

    It ends when the run has, when its LIFETIME is over, when the client goes, or when `allowed` says no, which is asked
    at every heartbeat. It counts from when it is made until it is closed or forgotten: a client that goes before the
    first byte is counted no longer than one that reads.
    """

    def __init__(
        self, run_id: int, since: int, render: Render, *, reader: object, allowed: Callable[[], bool] = lambda: True
    ) -> None:
        self.reader = reader
        self._place = (run_id, since)
        self._render = render
        self._allowed = allowed

    def close(self) -> None:
        """Count it no more."""
        with _lock:
            _open.discard(self)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """What is sent."""
        try:
            async for part in self._parts():
                yield part
        finally:
            self.close()

    async def _parts(self) -> AsyncIterator[bytes]:
        feed, (run_id, since) = _feed_of(self._render), self._place
        clock = asyncio.get_running_loop().time
        until, asked, over = clock() + LIFETIME, clock(), False
        yield b"retry: 1000\n\n"
        while (left := until - clock()) > 0:
            if clock() - asked >= HEARTBEAT:
                if not await feed.ask(self._allowed):
                    return
                asked = clock()
            try:
                message = await asyncio.wait_for(
                    feed.next_message((run_id, since)), min(QUIET if over else HEARTBEAT, left)
                )
            except TimeoutError:
                if over:
                    return
                yield b"event: beat\ndata: 1\n\n"
                continue
            since, over = message.next_since, message.over
            yield message.text


_open: WeakSet[Stream] = WeakSet()
_lock = threading.Lock()


def admit(stream: Stream) -> bool:
    """Whether there is room for one more stream, in this process and for its reader; if so, it is counted."""
    with _lock:
        theirs = sum(other.reader == stream.reader for other in _open)
        room: bool = len(_open) < conf.EVENT_STREAMS and theirs < conf.EVENT_STREAMS_OF_USER
        if room:
            _open.add(stream)
        return room
