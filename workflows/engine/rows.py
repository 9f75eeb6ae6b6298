"""What the statements of `engine.transitions` are asked with and answer with."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from workflows.core.states import TaskState


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """A queued task execution, waiting for its message.

    With `held` it waits for room within a limit first; with `withheld`, for a worker that goes on with its run.
    """

    position: int
    attempt: int
    map_index: int = -1
    held: bool = False
    withheld: bool = False
    queue: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a worker holds after a claim: the right to run one attempt until the lease ends."""

    execution_id: int
    run_id: int
    position: int
    map_index: int
    attempt: int
    token: UUID
    failures: int
    version_id: int
    params: dict[str, Any]
    logical_date: datetime | None
    trigger: str
    external_id: str | None
    interval_start: datetime | None = None
    priority: int | None = None  # of the run
    item: Any = None  # of a mapped task's item


@dataclass(frozen=True, slots=True, kw_only=True)
class Onward:
    """How a worker goes on after a success, and with which claim.

    It takes one of the `positions` below when it has become ready, is of its queue and no less urgent; else, with
    `wide`, one of the run's withheld tasks, and with `first` only such a one; without `takes`, nothing. Of a wide
    fan-out, `window` tasks are sent besides, and the others withheld; None: all are sent.
    """

    token: UUID
    node: str
    lease: float
    queue: str
    priority: int
    positions: tuple[int, ...]
    wide: bool
    first: bool
    takes: bool
    window: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """A move that was made. What is gated has given back its place within the limits, or never had one."""

    run_id: int
    queue: str
    gated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A task that was cancelled with its run; `old` is where it stood."""

    position: int
    map_index: int
    attempt: int
    old: TaskState
    queue: str
    gated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Below:
    """A task below a settled one, after its counters moved."""

    position: int
    map_index: int
    attempt: int
    state: TaskState
    waiting_on: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """What a success did below.

    `ready` became queued; `undecided` says that a task's upstreams have all settled, not all well, and its verdict is
    open; `maybe_over` that nothing below is left unsettled; `queues` are those in which a limit has room again, or in
    which a task waits for one; `following` is what the worker holds next, if it was to go on.
    """

    ready: tuple[Ready, ...] = ()
    queues: frozenset[str] = frozenset()
    undecided: bool = False
    maybe_over: bool = False
    following: Claim | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempted:
    """Names one attempt: what a caller without a token (a signal, the reconciler) knows of it.

    With `expired` it is that attempt only while its lease is over: a worker may have renewed it since it was looked at.
    """

    execution_id: int
    attempt: int
    token: UUID | None = None
    expired: bool = False
