"""Which addresses a task may reach: a host is resolved once, all its addresses are checked, one is dialled.

Checking the name and letting the HTTP library resolve it again would leave a gap for a name that answers
differently the second time; so the check sits where the connection is made, and every redirect and
reconnection passes it.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from queue import Empty, SimpleQueue
from typing import Any

import httpcore

Address = IPv4Address | IPv6Address
Resolver = Callable[[str, int], list[str]]
SocketOptions = Iterable[Any] | None

_NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))


class Forbidden(Exception):
    """An address that a task may not reach; the message names the host."""


class OutOfTime(Exception):
    """The request took longer than it may."""


def embedded(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address stands for (mapped, NAT64, 6to4, Teredo), if it is such a one."""
    if isinstance(address, IPv4Address):
        return None
    if address.ipv4_mapped or address.sixtofour:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:
        return address.teredo[1]
    if any(address in network for network in _NAT64):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return None


def is_public(address: Address) -> bool:
    """Whether an address is out in the Internet, and so is the one inside it."""
    inner = embedded(address)
    if inner is not None:
        return is_public(inner)
    odd = address.is_multicast or address.is_reserved or address.is_unspecified or address.is_loopback
    local = address.is_private or address.is_link_local or getattr(address, "is_site_local", False)
    return address.is_global and not odd and not local


def is_allowed(host: str, port: int, address: Address, allow: Sequence[str]) -> bool:
    """Whether a private address is allowed by an entry: "host", "host:port" or a network in CIDR notation."""
    name = host.lower().rstrip(".").strip("[]")
    names = {name, f"{name}:{port}", f"[{name}]:{port}"}
    for entry in allow:
        if entry.lower() in names:
            return True
        try:
            network = ip_network(entry, strict=False)
        except ValueError:
            continue  # a host name
        if address in network or (embedded(address) or address) in network:
            return True
    return False


def system_resolver(host: str, port: int) -> list[str]:
    """Every address the system knows for a host."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def checked(host: str, port: int, allow: Sequence[str], resolve: Resolver) -> list[str]:
    """The addresses of a host, all of which a task may reach; Forbidden if any is not."""
    addresses = resolve(host, port)
    for text in addresses:
        address = ip_address(text)
        if not is_public(address) and not is_allowed(host, port, address, allow):
            raise Forbidden(
                f"{host}:{port} is at {text}, which is not a public address; "
                "an administrator can allow it in the setting HTTP_ALLOW_PRIVATE"
            )
    return addresses


class Deadline:
    """A moment after which nothing may go on."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._until = time.monotonic() + seconds

    def left(self) -> float:
        """Seconds left; OutOfTime when there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise OutOfTime(f"The request took longer than {self.seconds:g} s")
        return left


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections to checked addresses only, and counts all their waiting against one deadline."""

    def __init__(self, deadline: Deadline, allow: Sequence[str], resolve: Resolver) -> None:
        self._deadline = deadline
        self._allow = allow
        self._resolve = resolve
        self._sockets = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: SocketOptions = None,
    ) -> httpcore.NetworkStream:
        """Check the host, then connect to the first of its addresses that answers."""
        error: Exception = httpcore.ConnectError(f"{host} has no address")
        addresses = self._addresses(host, port)
        for number, address in enumerate(addresses):
            share = self._deadline.left() / (len(addresses) - number)  # a dead first address leaves time for the rest
            try:
                stream = self._sockets.connect_tcp(address, port, share, local_address, socket_options)
                return _TimedStream(stream, self._deadline)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as failure:
                error = failure
        raise error

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: SocketOptions = None
    ) -> httpcore.NetworkStream:
        """Refuse: a task has no business with sockets in the file system."""
        raise Forbidden("Unix sockets cannot be reached")

    def _addresses(self, host: str, port: int) -> list[str]:
        """Resolve in a thread: the system's resolver knows no timeout."""
        answers: SimpleQueue[list[str] | Exception] = SimpleQueue()

        def ask() -> None:
            try:
                answers.put(checked(host, port, self._allow, self._resolve))
            except (OSError, UnicodeError) as error:
                answers.put(httpcore.ConnectError(f"{host} cannot be resolved: {error}"))
            except Exception as error:
                answers.put(error)

        threading.Thread(target=ask, name="resolve", daemon=True).start()
        try:
            answer = answers.get(timeout=self._deadline.left())
        except Empty:
            raise OutOfTime(f"{host} could not be resolved in time") from None
        if isinstance(answer, Exception):
            raise answer
        return answer


@contextmanager
def _on_time(deadline: Deadline) -> Iterator[None]:
    try:
        yield
    except httpcore.TimeoutException:
        raise OutOfTime(f"The request took longer than {deadline.seconds:g} s") from None


class _TimedStream(httpcore.NetworkStream):
    """A stream whose every wait ends at the deadline: a server that drips bytes cannot hold a worker."""

    def __init__(self, stream: httpcore.NetworkStream, deadline: Deadline) -> None:
        self._stream = stream
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        with _on_time(self._deadline):
            return self._stream.read(max_bytes, self._deadline.left())

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with _on_time(self._deadline):
            self._stream.write(buffer, self._deadline.left())

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: Any, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        with _on_time(self._deadline):
            stream = self._stream.start_tls(ssl_context, server_hostname, self._deadline.left())
        return _TimedStream(stream, self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
