"""A TCP proxy before PostgreSQL or the broker, in a thread of its own, that can be told to do harm.

It cuts connections, lets them go dead without a word, slows them down, and, before PostgreSQL, cuts a connection after
a commit and before its answer: the server has committed, and the client will never know.
"""

from __future__ import annotations

import asyncio
import re
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from orchestrator.standalone.ports import LOOPBACK

T = TypeVar("T")
WRITES = re.compile(rb"\b(UPDATE|INSERT|DELETE|COMMIT)\b", re.IGNORECASE)
UNNAMED_PREFIX = 4  # the first packet of a connection has a length, but no type


class Proxy:
    """Listens on `port` and forwards to a port of this machine."""

    def __init__(self, target: int, *, postgres: bool = False) -> None:
        """`postgres` reads the protocol, which `cut_after_commit` needs."""
        self.target, self.postgres = target, postgres
        self.latency = 0.0  # seconds, each way
        self.dead = False
        self.cuts_left, self.matching = 0, WRITES
        self.lost_answers: list[str] = []
        self.links: set[_Link] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        opening = self._loop.create_server(lambda: _Link(self, self._loop), LOOPBACK, 0)
        self._server = asyncio.run_coroutine_threadsafe(opening, self._loop).result(10)
        self.port = int(self._server.sockets[0].getsockname()[1])

    def cut(self) -> int:
        """Reset every connection; how many there were."""
        return self._call(lambda: sum(link.abort() for link in tuple(self.links)))

    def die_silently(self, *, only_old: bool = False) -> None:
        """From now on nothing is forwarded on any connection, and nobody is told; with `only_old`, new ones work."""

        def die() -> None:
            self.dead = not only_old
            for link in self.links:
                link.pause()

        self._call(die)

    def come_back(self, *, cut: bool = True) -> None:
        """Forward again. With `cut` the dead connections are reset; else they go on with what was held back."""

        def live() -> None:
            self.dead = False
            for link in tuple(self.links):
                _ = link.abort() if cut else link.resume()

        self._call(live)

    def slow(self, seconds: float) -> None:
        """Hold everything back for so long, each way."""
        self.latency = seconds

    def cut_after_commit(self, times: int = 1, matching: str = "") -> None:
        """Of the next commits of statements that match, let the server do them and the client not know it."""

        def arm() -> None:
            self.matching = re.compile(matching.encode(), re.IGNORECASE | re.DOTALL) if matching else WRITES
            self.cuts_left = times

        self._call(arm)

    def close(self) -> None:
        """Stop listening and drop every connection."""

        def end() -> None:
            self._server.close()
            for link in tuple(self.links):
                link.abort()

        self._call(end)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, work: Callable[[], T]) -> T:
        async def do() -> T:
            return work()

        return asyncio.run_coroutine_threadsafe(do(), self._loop).result(10)


class _Link(asyncio.Protocol):
    """One client, and (as `far`) its connection to the server."""

    def __init__(self, proxy: Proxy, loop: asyncio.AbstractEventLoop) -> None:
        self.proxy, self.loop = proxy, loop
        self.near: Any = None
        self.far: Any = None
        self.early: list[bytes] = []  # what the client says before the server is there
        self.due = [0.0, 0.0]
        self.watch = _Watch(proxy) if proxy.postgres else None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.near = transport
        self.proxy.links.add(self)
        self._opening = self.loop.create_task(self._open())

    async def _open(self) -> None:
        try:
            self.far, _ = await self.loop.create_connection(lambda: _Far(self), LOOPBACK, self.proxy.target)
        except OSError:
            self.abort()
            return
        for data in self.early:
            self.far.write(data)
        if self.proxy.dead:
            self.pause()

    def data_received(self, data: bytes) -> None:
        if self.watch:
            self.watch.asked(data)
        if self.far is None:
            self.early.append(data)
        else:
            self._later(0, self.far, data)

    def answered(self, data: bytes) -> None:
        """The server said something."""
        if self.watch:
            known = self.watch.answered(data)
            if known is None:
                self.abort()
                return
            data = known
        if data:
            self._later(1, self.near, data)

    def _later(self, way: int, transport: Any, data: bytes) -> None:
        now = self.loop.time()
        self.due[way] = max(now + self.proxy.latency, self.due[way])
        if self.due[way] <= now:
            transport.write(data)
        else:
            self.loop.call_at(self.due[way], transport.write, data)

    def connection_lost(self, error: Exception | None) -> None:
        self.proxy.links.discard(self)
        if self.far is not None:
            self.far.close()

    def abort(self) -> bool:
        """Reset both sides."""
        for transport in filter(None, (self.near, self.far)):
            transport.abort()
        self.proxy.links.discard(self)
        return True

    def pause(self) -> None:
        """Take nothing from either side."""
        for transport in filter(None, (self.near, self.far)):
            transport.pause_reading()

    def resume(self) -> None:
        """Take from both sides again."""
        for transport in filter(None, (self.near, self.far)):
            transport.resume_reading()


class _Far(asyncio.Protocol):
    def __init__(self, link: _Link) -> None:
        self.link = link

    def data_received(self, data: bytes) -> None:
        self.link.answered(data)

    def connection_lost(self, error: Exception | None) -> None:
        self.link.near.close()


class _Watch:
    """Follows the PostgreSQL protocol of one connection: which answer belongs to a commit of what."""

    def __init__(self, proxy: Proxy) -> None:
        self.proxy = proxy
        self.statements: dict[bytes, bytes] = {}
        self.asking, self.telling, self.held = bytearray(), bytearray(), bytearray()
        self.started = False
        self.pending: list[bytes] = []  # the writing statements since the server was last ready

    def asked(self, data: bytes) -> None:
        """Note which statements the client sends."""
        self.asking += data
        if not self.started and len(self.asking) >= UNNAMED_PREFIX:
            length = struct.unpack_from("!i", self.asking)[0]
            if len(self.asking) < length:
                return
            del self.asking[:length]
            self.started = True
        for kind, body in _messages(self.asking):
            self._ask(kind, body)

    def _ask(self, kind: bytes, body: bytes) -> None:
        if kind == b"P":
            name, query = body.split(b"\0", 2)[:2]
            self.statements[name] = query
        elif kind in (b"B", b"Q"):
            query = body if kind == b"Q" else self.statements.get(body.split(b"\0", 2)[1], b"")
            if WRITES.search(query):
                self.pending.append(query)

    def answered(self, data: bytes) -> bytes | None:
        """What of an answer may pass to the client; None: cut the connection now."""
        self.telling += data
        self.held += data
        for kind, body in _messages(self.telling):
            if kind == b"Z":
                done, self.pending = self.pending, []
                if self.proxy.cuts_left > 0 and body == b"I" and (hit := self._matching(done)):
                    self.proxy.cuts_left -= 1
                    self.proxy.lost_answers.append(hit.decode(errors="replace"))
                    return None
        if self.pending and self.proxy.cuts_left > 0:
            return b""  # until the server is ready again, nobody knows whether this is to be lost
        passed = bytes(self.held)
        self.held.clear()
        return passed

    def _matching(self, done: list[bytes]) -> bytes | None:
        return next((query for query in done if self.proxy.matching.search(query)), None)


def _messages(buffer: bytearray) -> Iterator[tuple[bytes, bytes]]:
    """Take whole messages (type, body) from the front of a buffer."""
    at = 0
    while len(buffer) - at >= 5:
        length = struct.unpack_from("!i", buffer, at + 1)[0]
        if len(buffer) - at < length + 1:
            break
        yield bytes(buffer[at : at + 1]), bytes(buffer[at + 5 : at + 1 + length])
        at += length + 1
    del buffer[:at]
