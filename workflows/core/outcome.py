"""What one attempt of a task says of itself when it ends: a value, never an exception.

An operator returns one of these; `engine.finish` turns it into a transition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from workflows.core.states import Reason

Json = Any  # what json.dumps takes; the size and shape of outputs are checked when they are stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The task succeeded. `branch` is the id of the task that it chose ("": none of them; None: it does not choose)."""

    output: Json = None
    branch: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """The task decided not to run."""

    reason: Reason = Reason.CONDITION_FALSE


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """The task asks to be tried again, after `after` seconds (None: what its retry policy says)."""

    message: str = ""
    after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fail:
    """The task failed. A permanent failure is not retried."""

    message: str
    reason: Reason = Reason.ERROR
    permanent: bool = False
    output: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spawn:
    """Start a run of another DAG and wait for its end without holding a worker."""

    dag_id: str
    params: dict[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expand:
    """Run the task once for each item, as task executions of their own. `keys`: the items came from a mapping."""

    items: tuple[Json, ...]
    keys: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a person is asked; nobody named: anyone who may operate runs may answer."""

    prompt: str = ""
    users: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    on_timeout: Literal["fail", "skip", "approve"] = "fail"
    on_reject: Literal["fail", "skip"] = "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Defer:
    """Wait without holding a worker: until a moment, for so many seconds, or (None) until somebody ends it.

    When the time has come the task succeeds with `output`, or, without one, is queued again and looks anew. Its timeout
    counts from the first of these looks. `message` says to people what it waits for; with a `question` they are asked.
    """

    until: datetime | float | None = None
    output: Json = None
    message: str = ""
    question: Question | None = None


Outcome = Done | Skip | Retry | Fail | Spawn | Expand | Defer
