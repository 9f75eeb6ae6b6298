"""Celeriac's settings: one dict, `CELERIAC`, in the host project's Django settings; everything has a default.

An unknown name is an error at start, so that a misspelt setting is never silently ignored.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """Every setting with its default. Times in seconds, sizes in bytes."""

    # Limits of a document
    MAX_TASKS: int = 20_000
    MAX_EDGES: int = 200_000
    MAX_DOCUMENT_BYTES: int = 10_000_000
    MAX_SUBDAG_DEPTH: int = 10
    MAX_ITEMS: int = 10_000  # of a mapped task

    # Canvases: defaults chosen by `make bench`, see docs/performance.md
    CANVAS_MAX_CHAIN: int = 4
    CANVAS_MAX_HEADER: int = 2
    CANVAS_MAX_BYTES: int = 32_768

    # How long, from taking a message, a worker goes on with the next ready tasks of the run without one; 0: never
    GO_ON_SECONDS: float = 0.5

    # Leases, retries, recovery
    LEASE_SECONDS: float = 30.0
    LEASE_RENEW_SECONDS: float = 5.0
    MAX_LOST_ATTEMPTS: int = 3  # crashes of one task before it is called poisoned
    SWEEP_SECONDS: float = 1.0
    REDELIVER_SECONDS: float = 5.0  # a queued row with an empty queue is sent again after this long
    CANARY_SECONDS: float = 30.0  # between two canaries behind rows that wait in one queue
    STALL_SECONDS: float = 30.0  # a worker with room that takes nothing of what waits for so long is told of
    HARD_TIMEOUT_GRACE: float = 10.0  # between a task's (soft) timeout and the kill of its process
    STOP_GRACE: float = 10.0  # what a stopping worker gives running tasks before it hands them back

    # Schedules
    SCHEDULE_GRACE: float = 300.0  # a scheduled time that is later than this was missed: `catchup` decides
    SCHEDULE_BATCH: int = 100  # scheduled times dealt with in one tick of a schedule

    HOOK_WINDOW_SECONDS: float = 300.0  # a webhook's signature counts for so long, before and after its time

    # Outputs and logs
    OUTPUT_MAX_BYTES: int = 262_144
    LOG_MAX_BYTES: int = 1_048_576
    LOG_CHUNK_BYTES: int = 32_768
    LOG_FLUSH_SECONDS: float = 0.5
    RENDER_MAX_CHARS: int = 1_000_000

    # Events
    EVENT_TICK_SECONDS: float = 0.1  # between two looks for all event streams of a process together
    EVENT_STREAMS: int = 200  # open in one process; who comes then is told to poll
    EVENT_STREAMS_OF_USER: int = 20  # of these, one user's

    # Task types
    OPERATORS: tuple[str, ...] = ()  # more task types, as "package.module:OPERATOR"
    PYTHON_MODULES: tuple[str, ...] = ()  # packages whose callables the python task type may call
    PYTHON_INLINE: bool = True  # whether python tasks may carry a script
    SHELL_ENV: tuple[str, ...] = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR")  # passed on to tasks
    HTTP_ALLOW_PRIVATE: tuple[str, ...] = ()  # "host", "host:port" or CIDR that http tasks may reach though private
    HTTP_MAX_BYTES: int = 1_048_576
    SQL_CONNECTIONS: dict[str, str] | None = None  # name -> URL (postgresql:// or sqlite:///)
    SQL_MAX_ROWS: int = 10_000

    # Callbacks
    CALLBACK_SECRET: str = ""  # what webhooks are signed with; derived from SECRET_KEY when empty
    CALLBACK_TIMEOUT: float = 10.0  # of one try
    CALLBACK_MAX_TRIES: int = 12  # then it is given up, about six hours later
    CALLBACK_RETRY_SECONDS: float = 10.0  # before the second try; twice as long before each further one, up to an hour

    # Queues
    DEFAULT_QUEUE: str = "celeriac"
    QUEUE_PREFIX: str = "celeriac"  # the queue of pool P is "<prefix>.P"; the default pool has the bare prefix
    PRIORITIES: bool = True

    # Operation
    BACKFILL_MAX_DATES: int = 10_000  # dates of one backfill
    RETENTION_RUN_DAYS: float | None = None  # `prune` deletes runs that ended longer ago; None: it keeps them
    RETENTION_LOG_DAYS: float | None = None  # the same for logs, whose runs may stay
    RETENTION_DELETED_DAYS: float | None = 7.0  # how long what was deleted can be brought back
    RETENTION_KEEP_LAST: int = 0  # runs of each DAG that stay, however old

    # Admin
    FLOWER_URL: str = ""  # where the first page's link to Flower leads; no link when empty


class UnknownSetting(ValueError):
    """A name in the CELERIAC setting that Celeriac does not know."""


def read(given: dict[str, Any]) -> Conf:
    """Check the CELERIAC dict and fill in defaults; lists become tuples."""
    known = {f.name for f in fields(Conf)}
    unknown = sorted(set(given) - known)
    if unknown:
        raise UnknownSetting(f"CELERIAC has unknown settings: {', '.join(unknown)}. Known: {', '.join(sorted(known))}")
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}
    return Conf(**values)


class _LazyConf:
    """Reads Django's settings at first use, so that importing this module needs none."""

    def __getattr__(self, name: str) -> Any:
        from django.conf import settings

        values = read(getattr(settings, "CELERIAC", {}))
        self.__dict__.update({field.name: getattr(values, field.name) for field in fields(values)})
        return getattr(values, name)

    def queue_of(self, pool: str) -> str:
        """The queue behind a pool."""
        return str(self.DEFAULT_QUEUE if pool == "default" else f"{self.QUEUE_PREFIX}.{pool}")

    def reload(self) -> None:
        """Forget what was read; tests that override settings call this."""
        self.__dict__.clear()


conf = _LazyConf()
