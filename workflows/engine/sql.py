"""How the engine speaks to PostgreSQL: server-side parameters, prepared statements, short transactions.

In a worker the engine has a connection of its own, so that a transaction which a task's code left open or broken can
neither delay nor undo a state change. Everywhere else it shares Django's connection, and its transactions.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from django.db import DatabaseError, OperationalError, connections, transaction
from psycopg import errors
from psycopg.types.json import set_json_loads

log = logging.getLogger(__name__)
Row = tuple[Any, ...]
T = TypeVar("T")
Params = Sequence[Any] | Mapping[str, Any]
Statement = tuple[LiteralString, Params]

TRANSIENT = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
LOST_CONNECTION = (psycopg.OperationalError, psycopg.InterfaceError)
TRIES = 5

# The hot statements reach rows by key. A plan cached while a table was still small would scan it for ever after.
_SESSION = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET jit = off"


class _Own:
    """A connection that only the engine uses, with a lock: the log flusher writes through it too."""

    def __init__(self, patience: float) -> None:
        self.patience = patience
        self.lock = threading.RLock()
        self._connection: psycopg.Connection[Row] | None = None
        self._cursor: psycopg.Cursor[Row] | None = None
        self._holder: int | None = None  # the thread that is in a transaction

    @property
    def in_transaction(self) -> bool:
        return self._holder == threading.get_ident()

    def connection(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            parameters = connections["default"].get_connection_params()
            parameters.pop("cursor_factory", None)
            parameters.pop("context", None)
            self._connection = psycopg.connect(**{**parameters, "autocommit": True, "prepare_threshold": 0})
            self._connection.execute(_SESSION, prepare=False)
        return self._connection

    def close(self) -> None:
        with self.lock:  # never the connection that another thread has just begun a transaction on
            if self._connection is not None:
                self._connection.close()
            self._connection = self._cursor = None

    def run(self, query: LiteralString, params: Params) -> list[Row]:
        with self.lock:
            cursor = self._cursor
            if cursor is None or self._connection is None or self._connection.closed:
                if self.in_transaction:
                    raise psycopg.OperationalError("the connection was lost inside a transaction")
                cursor = self._cursor = self.connection().cursor()
            cursor.execute(query, params)
            return _rows(cursor)

    def together(self, statements: Sequence[Statement]) -> list[list[Row]]:
        if self.in_transaction:
            return [self.run(query, params) for query, params in statements]
        with self.lock:
            connection = self.connection()
            with connection.pipeline():  # what lies between its ends is one transaction, and one round trip
                cursors = [connection.cursor() for _ in statements]
                for cursor, (query, params) in zip(cursors, statements, strict=True):
                    cursor.execute(query, params)
            return [_rows(cursor) for cursor in cursors]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.lock:
            outer, self._holder = self._holder, threading.get_ident()
            try:
                connection = self.connection()
                with connection.transaction():
                    self._cursor = connection.cursor()
                    yield
            finally:
                self._holder = outer


def _rows(cursor: psycopg.Cursor[Row]) -> list[Row]:
    """What a statement returned; asking `cursor.description` would describe every column first."""
    return cursor.fetchall() if cursor.pgresult is not None and cursor.pgresult.nfields else []


class _Shared:
    """Django's connection of this thread."""

    patience = 0.0

    @property
    def in_transaction(self) -> bool:
        return connections["default"].in_atomic_block

    def run(self, query: LiteralString, params: Params) -> list[Row]:
        django = connections["default"]
        django.ensure_connection()
        with django.wrap_database_errors:
            cursor = psycopg.Cursor(django.connection)
            set_json_loads(json.loads, cursor)  # Django's connections leave JSON as text, for its own fields to read
            cursor.execute(query, params)
            return _rows(cursor)

    def together(self, statements: Sequence[Statement]) -> list[list[Row]]:
        with self.transaction():
            return [self.run(query, params) for query, params in statements]

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with transaction.atomic(using="default"):
            yield

    def close(self) -> None:
        django = connections["default"]
        if not django.in_atomic_block:
            django.close()


_shared = _Shared()
_session: _Own | _Shared = _shared
_routed = threading.local()


def _current() -> _Own | _Shared:
    """The session of this thread: the process's, unless it is inside `on_django`."""
    return _shared if getattr(_routed, "depth", 0) else _session


@contextmanager
def on_django() -> Iterator[None]:
    """Use Django's connection inside, whatever the process uses: what is written belongs to the caller's transaction.

    `launch()` needs it in a worker: on the engine's own connection, the run would stay though a task's code rolls back.
    """
    _routed.depth = getattr(_routed, "depth", 0) + 1
    try:
        yield
    finally:
        _routed.depth -= 1


def use_own_connection(*, patience: float = 0.0) -> None:
    """Give the engine of this process a connection of its own (workers, the reconciler).

    `patience` is for how many seconds `persist` goes on while the database is away.
    """
    global _session
    _session = _Own(patience)


def close() -> None:
    """Drop the engine's connection after an error; the next statement opens another."""
    _current().close()


def run(query: LiteralString, params: Params = ()) -> list[Row]:
    """Run one statement and return its rows."""
    return _current().run(query, params)


def together(statements: Sequence[Statement]) -> list[list[Row]]:
    """Run several statements as one transaction, in one round trip where the connection can; the rows of each."""
    return _current().together(statements)


@contextmanager
def atomically() -> Iterator[None]:
    """Several statements as one transaction. Keep it short; send nothing inside."""
    with _current().transaction():
        yield


def lock_run(run_id: int) -> None:
    """Hold the run until the transaction ends: completions share this lock, surgery and cascades take it whole."""
    run("SELECT pg_advisory_xact_lock(%s)", (run_key(run_id),))


def share_run(run_id: int) -> None:
    """Keep surgery and cancels of the run away until the transaction ends, as completions do."""
    run("SELECT pg_advisory_xact_lock_shared(%s)", (run_key(run_id),))


def run_key(run_id: int) -> int:
    """The advisory lock key of a run, in a range of our own."""
    return (0x43454C << 40) | run_id


def read(query: LiteralString, params: Params = ()) -> list[Row]:
    """Run one statement that changes nothing, and again if the connection was lost: no restart shall fail a task."""
    return persist(lambda: run(query, params))


def persist(work: Callable[[], T]) -> T:
    """Do the work, again after a deadlock or a lost connection: a few times, or for as long as this process is patient.

    The work must be safe to repeat after a commit whose answer was lost: every transition is, by its guard. Inside a
    transaction it is done once: what a lost connection undid must not be half repeated on another.
    """
    if _current().in_transaction:
        return work()
    tries, until = 0, time.monotonic() + _current().patience
    while True:
        try:
            return work()
        except (*TRANSIENT, *LOST_CONNECTION, DatabaseError) as error:
            tries += 1
            lost = is_lost(error)
            if not _passes(error) or (tries >= TRIES and not (lost and time.monotonic() < until)):
                raise
            log.warning("database: %s; trying again", str(error).strip())
            if lost:
                _current().close()
            _pause.wait(min(0.05 * 2**tries, 2.0))


def _passes(error: BaseException) -> bool:
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    return isinstance(cause, TRANSIENT) or is_lost(error)


def is_lost(error: BaseException) -> bool:
    """Whether an error says that the connection is gone."""
    cause = error.__cause__ if isinstance(error, OperationalError) else error
    return isinstance(cause, LOST_CONNECTION) and not isinstance(cause, TRANSIENT)


_pause = threading.Event()
