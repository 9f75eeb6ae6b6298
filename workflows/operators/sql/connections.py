"""From a connection's name to an open database; Celeriac's own is refused."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from workflows.conf import conf
from workflows.operators.sql.result import Database


class BadConnection(Exception):
    """The connection cannot be used; the message says why and never holds its password."""


@contextmanager
def opened(name: str, timeout: float | None) -> Iterator[Database]:
    """The named database, in a transaction that is committed if the block ends well."""
    known: dict[str, str] = conf.SQL_CONNECTIONS or {}
    if name not in known:
        names = ", ".join(sorted(known)) or "none"
        raise BadConnection(f"there is no connection {name!r} in the setting SQL_CONNECTIONS (it has {names})")
    url = known[name]
    match urlsplit(url).scheme:
        case "postgresql" | "postgres":
            from workflows.operators.sql import postgres

            with postgres.connect(url, timeout, partial(refuse_own_server, name)) as database:
                yield database
        case "sqlite":
            from workflows.operators.sql import sqlite

            with sqlite.connect(sqlite_uri(name, url), timeout) as file:
                yield file
        case scheme:
            raise BadConnection(f"connection {name!r}: {scheme!r} is neither postgresql nor sqlite")


def sqlite_uri(name: str, url: str) -> str:
    """SQLite's own file: URI for sqlite:///relative and sqlite:////absolute."""
    parts = urlsplit(url)
    path = unquote(parts.path.removeprefix("/"))
    if parts.netloc or not path or path == ":memory:":
        raise BadConnection(f"connection {name!r} must name a file: sqlite:///relative.db or sqlite:////absolute.db")
    own = _own()
    engine = str(own.get("ENGINE", ""))
    if engine.endswith("sqlite3") and os.path.realpath(path) == os.path.realpath(str(own.get("NAME"))):
        raise BadConnection(f"connection {name!r} is Celeriac's own database, which tasks may not use")
    return f"file:{quote(os.path.abspath(path))}" + (f"?{parts.query}" if parts.query else "")


def refuse_own_server(name: str, host: str, port: int, database: str) -> None:
    """Refuse the database that holds the runs: a task that writes there could make any state true."""
    own = _own()
    if "postgresql" not in str(own.get("ENGINE", "")):
        return
    same = database == str(own.get("NAME")) and str(port) == str(own.get("PORT") or 5432)
    if same and same_host(host, str(own.get("HOST") or "")):
        raise BadConnection(f"connection {name!r} is Celeriac's own database, which tasks may not use")


def same_host(one: str, other: str) -> bool:
    """Whether two host names lead to the same machine, as far as its resolver knows."""
    return one == other or bool(_addresses(one) & _addresses(other))


def _addresses(host: str) -> set[str]:
    if not host or host.startswith(("/", "@")):
        return {"this machine"}
    try:
        found = {str(entry[4][0]) for entry in socket.getaddrinfo(host, None)}
    except OSError:
        return {host.lower()}
    return {"this machine" if address.startswith("127.") or address == "::1" else address for address in found}


def _own() -> dict[str, Any]:
    from django.conf import settings

    own: dict[str, Any] = settings.DATABASES.get("default", {})
    return own
