"""Beat as the only clock: without a reconciler's process, its ticks start the retries."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.stack import Stack
from tests.support.waiting import eventually

DOCUMENT = {
    "id": "second_try",
    "tasks": {
        "once_more": {
            "type": "shell",
            "command": 'test "$CELERIAC_ATTEMPT" = 2',
            "retry": {"max_attempts": 2, "delay": 0},
        }
    },
}


def test_beat_alone_brings_a_retry(live_stack: Callable[..., Stack]) -> None:
    from django_celery_beat.models import PeriodicTask

    from workflows.engine.launch import launch
    from workflows.engine.publish import publish
    from workflows.models import DagRun, TaskAttempt

    live_stack(reconciler=False, beat=True)
    run = launch(publish(DOCUMENT))
    eventually(lambda: DagRun.objects.get(pk=run.pk).ended_at, 45, saying="beat never ticked")
    assert DagRun.objects.get(pk=run.pk).state == "success"
    attempts = TaskAttempt.objects.filter(task_execution__run=run).order_by("number")
    assert list(attempts.values_list("end", flat=True)) == ["retrying", "success"]
    tick = PeriodicTask.objects.get(task="celeriac.reconcile")
    assert tick.expire_seconds == 10
