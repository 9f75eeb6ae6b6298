"""The token is what keeps a late result out, and not luck: what would pass without it is shown, too."""

from __future__ import annotations

import pytest
from django.db import connection

from tests.support.hands import Done, dag, held, start
from workflows.core.errors import LostClaim
from workflows.engine import plans
from workflows.engine.finish import finish
from workflows.engine.reconcile import sweep
from workflows.models import TaskExecution

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def test_only_the_token_keeps_a_late_result_out() -> None:
    run = start(dag(a={}))
    stale = held(run, "a")
    TaskExecution.objects.filter(run=run).update(lease_until="2020-01-01T00:00Z")
    sweep()
    held(run, "a")
    with connection.cursor() as cursor:
        guard = "SELECT count(*) FROM workflows_taskexecution WHERE id = %s AND state = 'running'"
        cursor.execute(guard, (stale.execution_id,))
        without = cursor.fetchone()[0]
        cursor.execute(f"{guard} AND token = %s", (stale.execution_id, stale.token))
        with_token = cursor.fetchone()[0]
    assert (without, with_token) == (1, 0), "the state alone would have let the late result in"
    with pytest.raises(LostClaim):
        finish(stale, plans.plan_of(stale.version_id), Done(output="late"), chance=0)
    row = TaskExecution.objects.get(run=run)
    assert (row.state, row.output, row.attempt) == ("running", None, 2)
