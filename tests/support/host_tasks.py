"""Celery tasks of a host project, written with no thought of DAGs."""

from __future__ import annotations

from typing import Any

from celery import Task, shared_task
from celery.exceptions import Ignore, Reject


@shared_task
def add(x: int, y: int) -> int:
    """An ordinary task."""
    return x + y


@shared_task(bind=True)
def ask_again(self: Task[Any, Any], times: int) -> dict[str, Any]:
    """A bound task that retries itself."""
    if self.request.retries < times:
        raise self.retry(countdown=0.2, exc=ValueError(f"not yet: {self.request.retries}"))
    return {"retries": self.request.retries, "id": self.request.id, "name": self.name}


@shared_task(autoretry_for=(KeyError,), default_retry_delay=0)
def retried_by_celery() -> None:
    """A task that Celery is to retry for it."""
    raise KeyError("never there")


@shared_task
def ignores() -> None:
    """A task that wants no result kept."""
    raise Ignore


@shared_task
def rejects() -> None:
    """A task that refuses its message."""
    raise Reject("not this one", requeue=False)


@shared_task
def breaks() -> None:
    """A task with an error in it."""
    raise ValueError("broken")
