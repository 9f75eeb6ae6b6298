"""The Celery tasks of Celeriac: one carries every task execution, one ticks the reconciler, one ticks a schedule."""

from __future__ import annotations

import logging
from typing import Any

from celery import Task, shared_task
from celery.exceptions import Ignore, Retry

from workflows import failpoints
from workflows.conf import conf
from workflows.core.errors import LostClaim
from workflows.core.states import TaskState
from workflows.engine import canaries, deliveries, marks, reconcile, ticking
from workflows.engine.finish import Finished
from workflows.executors import send
from workflows.executors.beat import TICK
from workflows.executors.canary import CANARY_TASK
from workflows.executors.canvas import RUN_TASK
from workflows.worker import onward, outbox, runner

log = logging.getLogger(__name__)


class TaskFailed(Exception):
    """A task of a DAG failed; its run has the whole story. Raised so that Celery and Flower show it."""


class Carrier(Task[Any, Any]):
    """The class of the one task. Celery calls its `apply_async` for each step of a canvas, in the hot path too."""

    def apply_async(  # type: ignore[override]
        self, args: Any = None, kwargs: Any = None, **options: Any
    ) -> Any:
        """Send one message of a canvas the short way (see `executors.send.publish`)."""
        producer = options.pop("producer", None)
        with self.app.producer_or_acquire(producer) as opened:
            send.publish(opened, tuple(args or ()), **options)
        return self.AsyncResult(options["task_id"])


@shared_task(
    base=Carrier,
    bind=True,
    name=RUN_TASK,
    ignore_result=True,
    acks_late=False,
    max_retries=None,
    typing=False,
    throws=(TaskFailed,),
)
def run_task(self: Task[Any, Any], *args: Any, **kwargs: Any) -> None:
    """Run one attempt (run, position, map index, attempt) of a task execution, if it is still to be run.

    The outcome is committed here, in the body: Celery publishes a chain's next task before any signal fires.
    """
    failpoints.hit("message_taken")
    if kwargs or not _is_attempt(args):
        # Of another release, or forged. If it was meant for a queued row, the reconciler sends that again.
        log.error("a message names no attempt and was thrown away: args %.200r, kwargs %.200r", args, kwargs)
        marks.dropped("malformed")
        raise Ignore
    run_id, position, map_index, attempt = args
    stream = onward.Stream(self.request)
    held = runner.claim(run_id, position, map_index, attempt, node=self.request.hostname or "")
    if held is None:
        # Stale, doubled or early. Returning would make Celery go on with the canvas of the attempt that runs.
        raise Ignore
    failpoints.hit("claimed")
    try:
        finished, plan, task = runner.run(held, stream.onward)
    except LostClaim as error:
        log.warning("%s.%s: %s", run_id, position, error)
        raise Ignore from error
    onward.note(finished)
    if finished.following is not None:
        stream.follow(finished, plan, task)
        return
    stream.hand_on(finished.after, plan, task)
    outbox.put(finished.after, self.request, succeeded=finished.state is TaskState.SUCCESS)
    _tell_celery(self, finished, f"{plan.dag_id}.{task.id}")


def _is_attempt(args: tuple[Any, ...]) -> bool:
    """Whether these are four numbers that PostgreSQL takes."""
    if len(args) != 4 or any(type(number) is not int for number in args):
        return False
    run_id, position, map_index, attempt = args
    return 0 < run_id < 2**63 and all(-1 <= number < 2**31 for number in (position, map_index, attempt))


def _tell_celery(task: Task[Any, Any], finished: Finished, name: str) -> None:
    """End the Celery task as the attempt ended, so that Flower and the signals see the truth."""
    if finished.state is TaskState.RETRYING:
        when: Any = round(finished.delay or 0.0, 3)
        raise Retry(message=f"{name}: {finished.message}", when=when)
    if finished.state is TaskState.FAILED:
        raise TaskFailed(f"{name}: {finished.message}")
    if finished.state is not TaskState.SUCCESS and (task.request.chain or task.request.chord):
        raise Ignore  # what the canvas holds behind a skipped task was settled with it


@shared_task(name="celeriac.reconcile", ignore_result=True, acks_late=False)
def tick() -> None:
    """One sweep of the reconciler, for installations where beat is its clock."""
    marks.put("beat", "tick")
    reconcile.sweep()
    # Callbacks that no standing reconciler has sent by now. A slow receiver may hold this process so long, not longer.
    deliveries.deliver_for(conf.CALLBACK_TIMEOUT / 2, behind=conf.CALLBACK_TIMEOUT)


@shared_task(name=CANARY_TASK, ignore_result=True, acks_late=False)
def canary(queue: str, sent: str) -> None:
    """A message that was sent behind others came through: what is still queued from before it is lost."""
    canaries.passed(str(queue), str(float(sent)))


@shared_task(name=TICK, ignore_result=True, acks_late=False)
def tick_schedule(schedule_id: int) -> None:
    """Start what is due of one schedule: what beat's entry of it calls."""
    ticking.tick(schedule_id)
