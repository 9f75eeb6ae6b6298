"""Choosing TCP ports on loopback."""

from __future__ import annotations

import os
import secrets
import socket

from orchestrator.standalone.errors import CannotStart

LOOPBACK = "127.0.0.1"
# Below the ephemeral range of Linux and macOS: no outgoing connection takes the port between choice and use.
_USUAL = "15000-29999"
_given: set[int] = set()  # to this process's own servers, which may not listen yet


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
    low, high = _bounds()
    for _ in range(200):
        port = low + secrets.randbelow(high - low + 1)
        if port not in _given and is_free(port):
            _given.add(port)
            return port
    raise CannotStart(
        f"No free port was found between {low} and {high} on {LOOPBACK}: stop something that listens there."
    )


def _bounds() -> tuple[int, int]:
    text = os.environ.get("CELERIAC_PORTS", _USUAL)
    low, _, high = text.partition("-")
    if low.isdecimal() and high.isdecimal() and 1024 <= int(low) <= int(high) <= 65_535:
        return int(low), int(high)
    raise CannotStart(f"CELERIAC_PORTS is {text!r}: it must be the first and the last port to choose from: {_USUAL}.")


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
