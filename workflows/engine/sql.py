"""How the engine speaks to PostgreSQL: server-side parameters, prepared statements, short transactions.

In a worker the engine has a connection of its own, so that a transaction which a task's code left open or broken can
neither delay nor undo a state change. Everywhere else it shares Django's connection, and its transactions.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, LiteralString, TypeVar

import psycopg
from django.db import DatabaseError, OperationalError, connections, transaction
from psycopg import errors
from psycopg.types.json import set_json_loads

log = logging.getLogger(__name__)
Row = tuple[Any, ...]
T = TypeVar("T")

TRANSIENT = (errors.SerializationFailure, errors.DeadlockDetected, errors.LockNotAvailable)
LOST_CONNECTION = (psycopg.OperationalError, psycopg.InterfaceError)

# The hot statements reach rows by key. A plan cached while a table was still small would scan it for ever after.
_SESSION = "SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan; SET jit = off"


class _Own:
    """A connection that only the engine uses, with a lock: the log flusher writes through it too."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self._connection: psycopg.Connection[Row] | None = None

    def connection(self) -> psycopg.Connection[Row]:
        if self._connection is None or self._connection.closed:
            parameters = connections["default"].get_connection_params()
            parameters.pop("cursor_factory", None)
            parameters.pop("context", None)
            self._connection = psycopg.connect(**{**parameters, "autocommit": True, "prepare_threshold": 0})
            self._connection.execute(_SESSION, prepare=False)
        return self._connection

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def run(self, query: LiteralString, params: Sequence[Any]) -> list[Row]:
        with self.lock:
            cursor = self.connection().execute(query, params)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with self.lock, self.connection().transaction():
            yield


class _Shared:
    """Django's connection of this thread."""

    def run(self, query: LiteralString, params: Sequence[Any]) -> list[Row]:
        django = connections["default"]
        django.ensure_connection()
        with django.wrap_database_errors:
            cursor = psycopg.Cursor(django.connection)
            set_json_loads(json.loads, cursor)  # Django's connections leave JSON as text, for its own fields to read
            cursor.execute(query, params)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def transaction(self) -> Iterator[None]:
        with transaction.atomic(using="default"):
            yield

    def close(self) -> None:
        django = connections["default"]
        if not django.in_atomic_block:
            django.close()


_session: _Own | _Shared = _Shared()


def use_own_connection() -> None:
    """Give the engine of this process a connection of its own (workers, the reconciler)."""
    global _session
    _session = _Own()


def close() -> None:
    """Drop the engine's connection after an error; the next statement opens another."""
    _session.close()


def run(query: LiteralString, params: Sequence[Any] = ()) -> list[Row]:
    """Run one statement and return its rows."""
    return _session.run(query, params)


@contextmanager
def atomically() -> Iterator[None]:
    """Several statements as one transaction. Keep it short; send nothing inside."""
    with _session.transaction():
        yield


def lock_run(run_id: int) -> None:
    """Hold the run exclusively until the transaction ends: completions share this lock, surgery and cascades take
    it whole."""
    run("SELECT pg_advisory_xact_lock(%s)", (run_key(run_id),))


def run_key(run_id: int) -> int:
    """The advisory lock key of a run, in a range of our own."""
    return (0x43454C << 40) | run_id


def persist(work: Callable[[], T], *, until: Callable[[], bool] | None = None) -> T:
    """Do the work, again after a deadlock or a lost connection, while `until` does not say that it is too late.

    The work must be safe to repeat after a commit whose answer was lost: every transition is, by its guard.
    """
    tries = 0
    while True:
        try:
            return work()
        except (*TRANSIENT, *LOST_CONNECTION, DatabaseError) as error:
            tries += 1
            if not _passes(error) or (until() if until else tries >= 5):
                raise
            log.warning("database: %s; trying again", str(error).strip())
            if _is_lost(error):
                _session.close()
            _pause.wait(min(0.05 * 2**tries, 2.0))


def _passes(error: BaseException) -> bool:
    cause = error.__cause__ if isinstance(error, DatabaseError) else error
    return isinstance(cause, TRANSIENT) or _is_lost(error)


def _is_lost(error: BaseException) -> bool:
    cause = error.__cause__ if isinstance(error, OperationalError) else error
    return isinstance(cause, LOST_CONNECTION) and not isinstance(cause, TRANSIENT)


_pause = threading.Event()
