"""Run any registered Celery task, unchanged, inside the attempt that a DAG gave it."""

from __future__ import annotations

from typing import Any

from celery import current_app
from celery.exceptions import Ignore, Reject, Retry

from workflows.core import outcome
from workflows.core.outcome import Done, Fail, Json, Outcome
from workflows.core.states import Reason
from workflows.operators.base import Context


def call_celery(name: str, args: list[Json], kwargs: dict[str, Json], ctx: Context[Any]) -> Outcome:
    """Call the task in this process with a request of its own; its `self.retry()` becomes the DAG's retry.

    The task's own message is never sent: the attempt that runs is the one that the DAG knows, with its lease and
    its log.
    """
    task = current_app.tasks.get(name)
    if task is None:
        return Fail(
            message=f"no Celery task {name!r} is registered in this worker: check the name, and that its app is in "
            "INSTALLED_APPS or its module in Celery's `imports`",
            reason=Reason.UNKNOWN_TASK,
            permanent=True,
        )
    request = {
        "id": f"{ctx.run.id}.{ctx.task.id}-{ctx.task.attempt}",
        "args": args,
        "kwargs": kwargs,
        "retries": ctx.task.attempt - 1,
        "is_eager": False,
        "called_directly": False,
        "delivery_info": {},
        "hostname": current_app.main or "",
        "headers": {"celeriac": ctx.plain()["task"]},
        "correlation_id": ctx.idempotency_key,
    }
    task.push_request(**request)
    try:
        with _Intercepted(task):
            return Done(output=task.run(*args, **kwargs))
    except Retry as error:
        return outcome.Retry(message=_why(error), after=_seconds(error))
    except Ignore:
        return Done()
    except Reject as error:
        reason, requeue = (*error.args, None, False)[:2]
        return Fail(message=f"the task rejected itself: {reason}", permanent=not requeue)
    finally:
        task.pop_request()


class _Intercepted:
    """While a task runs, its `self.retry()` raises Retry without publishing a message: retries live in PostgreSQL."""

    def __init__(self, task: Any) -> None:
        self._task = task

    def __enter__(self) -> None:
        def retry(
            args: Any = None,
            kwargs: Any = None,
            exc: Exception | None = None,
            throw: bool = True,
            eta: Any = None,
            countdown: float | None = None,
            max_retries: int | None = None,
            **options: Any,
        ) -> Any:
            delay = countdown if countdown is not None else self._task.default_retry_delay
            when: Any = eta or delay
            error = Retry(exc=exc, when=when)
            if throw:
                raise error
            return error

        self._task.__dict__["retry"] = retry

    def __exit__(self, *_: object) -> None:
        self._task.__dict__.pop("retry", None)


def _why(error: Retry) -> str:
    return f"{type(error.exc).__name__}: {error.exc}" if error.exc else (error.message or "the task asked for a retry")


def _seconds(error: Retry) -> float | None:
    return float(error.when) if isinstance(error.when, (int, float)) else None
