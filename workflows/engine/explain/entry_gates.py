"""The gates that a run and each of its tasks have in common: the DAG, the run's turn, and its switch."""

from __future__ import annotations

from typing import Any

from django.db.models import Q
from django.db.models.functions import Coalesce

from workflows.engine.explain.facts import RunFacts, Seen, blocked, passed
from workflows.engine.explain.words import MOST, listed, moment, span
from workflows.models import DagRun


def dag(facts: RunFacts) -> Seen:
    """A DAG that is paused or deleted takes no new runs; a run that exists goes on."""
    found = facts.run.dag
    name = found.dag_id
    if found.deleted_at is not None:
        return passed(f"{name} was deleted; its runs go on", deleted_at=found.deleted_at)
    if found.paused_at is not None:
        return passed(f"{name} is paused: no new runs; those that exist go on", paused_at=found.paused_at)
    return passed(f"{name} takes new runs")


def turn(facts: RunFacts) -> Seen:
    """Whether the run has started: with max_active_runs it may have to wait for others."""
    run = facts.run
    if run.ended_at is not None:
        return passed(f"run {run.pk} has ended as {facts.run_state}", state=facts.run_state.value)
    if run.started_at is not None:
        return passed(f"run {run.pk} has started {span(facts.since(run.started_at))} ago", started_at=run.started_at)
    limit = facts.plan.max_active_runs
    same = DagRun.objects.filter(dag_id=run.dag_id)
    holders = list(same.filter(state="running").order_by("id").values_list("pk", flat=True)[: MOST + 1])
    mine = 5 if run.priority is None else run.priority
    waiting = same.filter(state="pending", paused_at__isnull=True).annotate(rank=Coalesce("priority", 5))
    before = waiting.filter(Q(rank__gt=mine) | Q(rank=mine, pk__lt=run.pk)).count()
    data: dict[str, Any] = {"max_active_runs": limit, "active_runs": holders[:MOST], "pending_before": before}
    if limit is None or len(holders) < limit:
        return blocked(f"run {run.pk} is to start: the reconciler starts it at its next sweep", **data)
    named = listed([f"run {pk}" for pk in holders], MOST)
    ahead = f"; {before} pending before it" if before else ""
    return blocked(f"run {run.pk} waits for its turn: max_active_runs is {limit}, and {named} go on{ahead}", **data)


def switch(facts: RunFacts) -> Seen:
    """Whether somebody paused the run."""
    run = facts.run
    if run.paused_at is None or run.ended_at is not None:
        return passed("the run is not paused")
    since = moment(run.paused_at)
    return blocked(
        f"the run is paused since {since}: what runs goes on, nothing starts until it is resumed",
        paused_at=run.paused_at,
    )
