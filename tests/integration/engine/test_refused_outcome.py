"""An outcome that the database refuses fails the attempt, with the reason, instead of leaving it to its lease."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.support.hands import dag, held, start, states
from workflows.core.outcome import Outcome
from workflows.core.plan import Plan
from workflows.engine.finish import Finished, finish
from workflows.engine.rows import Claim
from workflows.models import TaskExecution
from workflows.worker import runner

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


def refusing(errors: list[Exception]) -> Any:
    """A finish that the database refuses as often as there are errors."""

    def refuse(mine: Claim, plan: Plan, outcome: Outcome, *, chance: float, onward: object = None) -> Finished:
        if errors:
            raise errors.pop(0)
        return finish(mine, plan, outcome, chance=chance, onward=None)

    return refuse


def test_a_refused_outcome_fails_the_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(dag(a={"retry": {"max_attempts": 5}}))
    monkeypatch.setattr(runner, "finish", refusing([psycopg.errors.UntranslatableCharacter("no such character")]))
    runner.run(held(run, "a"))
    row = TaskExecution.objects.get(run=run, task_id="a")
    assert (row.state, row.failures) == ("failed", 1)
    assert row.message == "the outcome could not be written: UntranslatableCharacter: no such character"


def test_a_database_that_is_away_is_left_to_the_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    run = start(dag(a={}))
    monkeypatch.setattr(runner, "finish", refusing([psycopg.OperationalError("server closed the connection")]))
    with pytest.raises(psycopg.OperationalError):
        runner.run(held(run, "a"))
    assert states(run) == {"a": "running"}
