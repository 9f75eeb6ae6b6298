"""Choosing TCP ports on loopback."""

from __future__ import annotations

import secrets
import socket

from orchestrator.standalone.errors import CannotStart

LOOPBACK = "127.0.0.1"
# Below the ephemeral range of Linux and macOS: no outgoing connection takes the port between choice and use.
_LOW, _HIGH = 15_000, 30_000


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def choose() -> int:
    """A free port; another process may still take it before we do, but only by chance."""
    for _ in range(200):
        port = _LOW + secrets.randbelow(_HIGH - _LOW)
        if is_free(port):
            return port
    raise CannotStart(
        f"No free port was found between {_LOW} and {_HIGH} on {LOOPBACK}: stop something that listens there."
    )


def keep_or_choose(port: int | None) -> int:
    """The port of last time if it is free, else a new one."""
    return port if port and is_free(port) else choose()


def answers(port: int, host: str = LOOPBACK, timeout: float = 0.5) -> bool:
    """Whether something accepts a connection there."""
    try:
        with socket.create_connection((host, port), timeout=timeout):
            return True
    except OSError:
        return False
