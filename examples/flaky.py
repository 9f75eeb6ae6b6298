"""Functions that fail at first: what a busy server does, without its chance."""

from __future__ import annotations

from typing import Any

from workflows.operators.base import RetryLater


def busy_until(attempt: int, celeriac_context: dict[str, Any]) -> dict[str, int]:
    """Fail before the given attempt, as a plain exception; the task's retry policy says when to come back."""
    now = celeriac_context["task"]["attempt"]
    print(f"attempt {now} of the {attempt} that it takes")
    if now < attempt:
        raise ConnectionError(f"the server is busy (attempt {now})")
    return {"attempts": now}


def ask_again(celeriac_context: dict[str, Any]) -> dict[str, int]:
    """Say on the first attempt when to come back, as a server with a Retry-After header does."""
    now = celeriac_context["task"]["attempt"]
    if now == 1:
        raise RetryLater(after=0.5, message="come back in half a second")
    return {"attempts": now}
