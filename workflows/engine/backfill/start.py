"""Preview and start a backfill: what it would run, and then the rows that say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction

from workflows.conf import conf
from workflows.core.errors import BadBackfill, TooManyDates
from workflows.engine import plans
from workflows.engine.backfill.dates import Slot, calendar_of, dag_of, is_wanted, standing
from workflows.engine.launch import checked_params
from workflows.models import Backfill, BackfillDate, Dag, DagVersion

_SAMPLE = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What somebody asks for. `start` and `end` are both inclusive; nothing after now is run.

    `which`: "missing" (dates that have neither a success nor a run that goes on), "failed" (those whose runs have all
    failed), "all" (every date again). `every` is in seconds; None: the DAG's schedule.
    """

    dag_id: str
    start: datetime
    end: datetime
    every: float | None = None
    newest_first: bool = False
    concurrency: int = 1
    which: str = "missing"
    params: Mapping[str, Any] = field(default_factory=dict)
    downstream: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a backfill would do now: how many dates there are, how they stand, which would run, in their order."""

    dag_id: str
    in_range: int
    stands: dict[str, int]
    chosen: int
    first: tuple[datetime, ...]  # at most 20, in the order in which they would start
    last: datetime | None
    subdags: tuple[str, ...]  # run inside its runs, with the same logical date
    downstream: tuple[str, ...]  # get backfills of their own


def preview(wanted: Wanted) -> Preview:
    """Say what `start` would do. Raises what it raises."""
    asked = _asked(wanted)
    chosen = [slot.at for slot in asked.chosen]
    return Preview(
        dag_id=wanted.dag_id,
        in_range=len(asked.stands),
        stands=dict(Counter(asked.stands.values())),
        chosen=len(chosen),
        first=tuple(chosen[:_SAMPLE]),
        last=chosen[-1] if chosen else None,
        subdags=tuple(sorted(_subdags(asked.version))),
        downstream=tuple(_family(wanted.dag_id)) if wanted.downstream else (),
    )


def start(wanted: Wanted, *, user: AbstractBaseUser | None = None) -> Backfill:
    """Write the backfill down, with those of the DAGs downstream if asked; the reconciler starts its runs.

    Raises UnknownDag, NoVersion, NoDates, TooManyDates, BadParams, BadBackfill.
    """
    asked = _asked(wanted)
    if not asked.chosen:
        raise BadBackfill(why="no date of the range is to be run")
    with transaction.atomic():
        root = _insert(wanted, asked.dag, asked.chosen, user, parent=None)
        if wanted.downstream:
            _insert_family(wanted, root, asked.chosen, user)
    return root


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    dag: Dag
    version: DagVersion
    stands: Mapping[datetime, str]
    chosen: list[Slot]


def _asked(wanted: Wanted) -> _Asked:
    dag = dag_of(wanted.dag_id)
    version = dag.current_version
    assert version is not None, "dag_of answers with a DAG that has one"
    _check(wanted)
    end = min(wanted.end, datetime.now(UTC))
    slots: list[Slot] = []
    if end >= wanted.start:
        calendar = calendar_of(dag, wanted.every)
        slots = calendar(wanted.start, end, conf.BACKFILL_MAX_DATES + 1)
    if len(slots) > conf.BACKFILL_MAX_DATES:
        raise TooManyDates(most=conf.BACKFILL_MAX_DATES)
    stands = standing(dag.pk, [slot.at for slot in slots])
    chosen = [slot for slot in slots if is_wanted(wanted.which, stands[slot.at])]
    if wanted.newest_first:
        chosen.reverse()
    if chosen:
        checked_params(version, wanted.params, chosen[0].at)
    return _Asked(dag=dag, version=version, stands=stands, chosen=chosen)


def _check(wanted: Wanted) -> None:
    if wanted.end < wanted.start:
        raise BadBackfill(why="its end is before its start")
    if not 1 <= wanted.concurrency <= 1000:
        raise BadBackfill(why="its concurrency must be from 1 to 1000")
    if wanted.which not in dict(Backfill.WHICH):
        raise BadBackfill(why=f"which dates must be one of {', '.join(dict(Backfill.WHICH))}")


def _insert(
    wanted: Wanted, dag: Dag, slots: list[Slot], user: AbstractBaseUser | None, *, parent: Backfill | None
) -> Backfill:
    made = Backfill.objects.create(
        dag=dag,
        start=wanted.start,
        end=wanted.end,
        newest_first=wanted.newest_first,
        concurrency=wanted.concurrency,
        which="all" if parent else wanted.which,
        every=wanted.every,
        params={} if parent else dict(wanted.params),
        downstream=wanted.downstream and parent is None,
        parent=parent,
        created_by=user,  # type: ignore[misc]
    )
    rows = [BackfillDate(backfill=made, logical_date=slot.at, interval_start=slot.since) for slot in slots]
    BackfillDate.objects.bulk_create(rows, batch_size=1000)
    return made


def _insert_family(wanted: Wanted, root: Backfill, slots: list[Slot], user: AbstractBaseUser | None) -> None:
    """One backfill for each DAG below, all of the same dates; each waits for those that it runs after."""
    family = _family(wanted.dag_id)
    dags = {dag.dag_id: dag for dag in Dag.objects.live().filter(dag_id__in=family)}
    made = {name: _insert(wanted, dags[name], slots, user, parent=root) for name in family}
    known = {wanted.dag_id: root, **made}
    for name, child in made.items():
        child.waits_for = sorted(known[above].pk for above in family[name])
        child.save(update_fields=["waits_for"])


def _family(dag_id: str) -> dict[str, list[str]]:
    """The DAGs that run after the given one, directly or not, each with those of the family that it runs after."""
    found: dict[str, list[str]] = {}
    waiting = [dag_id]
    while waiting:
        above = waiting.pop(0)
        below = Dag.objects.live().filter(current_version__document__schedule__after__contains=above)
        for name in below.order_by("dag_id").values_list("dag_id", flat=True):
            if name == dag_id:
                continue
            if name not in found:
                found[name] = []
                waiting.append(name)
            found[name].append(above)
    return found


def _subdags(version: DagVersion) -> set[str]:
    return {str(t.parameters.get("dag_id")) for t in plans.plan_of(version.pk).tasks if t.type == "subdag"}
