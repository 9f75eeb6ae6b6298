"""Which messages the reconciler takes for lost, and which for waiting."""

from __future__ import annotations

import pytest
from django.db import connection

from tests.support.hands import dag, do, held, start
from workflows.engine.reconcile import sweep
from workflows.models import DagRun

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def queued_ago(run: DagRun, seconds: float) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE workflows_taskexecution SET queued_at = now() - make_interval(secs => %s) WHERE run_id = %s",
            (seconds, run.pk),
        )


def test_a_message_that_later_ones_overtook_is_lost() -> None:
    """The queue is never empty here: what tells is that a row queued long after it runs already."""
    lost, waits, later = (start(dag(name, a={})) for name in ("lost", "waits", "later"))
    queued_ago(lost, 60)
    queued_ago(waits, 32)
    queued_ago(later, 30)
    assert sweep().resent == 0, "a backlog alone is no evidence"
    held(later, "a")
    assert sweep().resent == 1
    assert sweep().resent == 0, "sent again a moment ago"
    do(lost, "a")


def test_another_priority_overtakes_without_anything_being_lost() -> None:
    waits, urgent = start(dag("waits", a={"priority": 3})), start(dag("urgent", a={"priority": 8}))
    queued_ago(waits, 60)
    held(urgent, "a")
    assert sweep().resent == 0
