"""One round: an installation, load, faults; then peace until nothing moves any more; then the account."""

from __future__ import annotations

import random
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from django.db import connections
from django.test import override_settings

from tests.chaos.harness import effects, stored
from tests.chaos.harness.checker import Verdict, verdict_of
from tests.chaos.harness.history import History
from tests.chaos.harness.installation import TIMES, Installation
from tests.chaos.harness.nemesis import Nemesis
from tests.chaos.harness.workload import Load, scripts
from tests.support.servers import Servers
from workflows.conf import conf

MARK = b"CELERIAC_PROCESS="  # what the warden leaves in the environment of all that a task starts
QUIET = 12.0  # seconds without any event after which what has not ended never will
_PAUSE = threading.Event()


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a round is to be. It ends when there were enough tasks and faults, or after `seconds`."""

    seed: int
    seconds: float
    tasks: int = 0
    faults: int = 0
    pause: float = 1.0
    dags: int = 30
    open_runs: int = 12
    concurrency: int = 3
    mutation: str = ""
    audit: bool = True
    until: str = ""  # a query: the round ends as soon as it finds something
    keep: Path | None = None  # where the history is kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a round."""

    plan: Plan
    verdict: Verdict
    seconds: float
    peace: float  # seconds from the last fault until nothing was left to do


def play(plan: Plan, servers: Servers, template: str, say: Callable[[str], None] = lambda text: None) -> Outcome:
    """Play one round."""
    place = Installation(servers, template, mutation=plan.mutation, concurrency=plan.concurrency)
    history = History(place.directory / "history.jsonl")
    with place.running():
        load, took, peace = _storm(plan, place, history, say)
        found = stored.read(place.direct)
        verdict = verdict_of(found, effects.read(place.ledger), history, load.scripts, load.accepted)
        if plan.audit:
            _audit(verdict)
        for left in _left(place):
            verdict.wrong("left_processes", left)
        if plan.keep:
            plan.keep.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(history.path, plan.keep)
    return Outcome(plan=plan, verdict=verdict, seconds=took, peace=peace)


def _storm(plan: Plan, place: Installation, history: History, say: Callable[[str], None]) -> tuple[Load, float, float]:
    chance = random.Random(plan.seed)
    made = scripts(random.Random(chance.random()), plan.dags)
    load = Load(
        scripts=made,
        chance=random.Random(chance.random()),
        history=history,
        ledger=str(place.ledger),
        open_runs=plan.open_runs,
        url=place.url,
        token=place.token,
    )
    load.publish()
    nemesis = Nemesis(place, history, random.Random(chance.random()), pause=plan.pause)
    threads = [threading.Thread(target=work.run, daemon=True) for work in (load, nemesis)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    told = began
    while not _enough(plan, load, history, time.monotonic() - began) and not _found(plan, place):
        _PAUSE.wait(0.5)
        if time.monotonic() - told > 15:
            told = time.monotonic()
            say(f"{told - began:4.0f} s: {load.tasks} tasks in {len(load.accepted)} runs, {len(history.faults)} faults")
    nemesis.stop.set()
    threads[1].join(60)
    load.stop.set()
    threads[0].join(60)
    place.heal()
    took, calm = time.monotonic() - began, time.monotonic()
    _settle(place)
    return load, took, time.monotonic() - calm


def _enough(plan: Plan, load: Load, history: History, seconds: float) -> bool:
    if seconds >= plan.seconds:
        return True
    return bool(plan.tasks or plan.faults) and load.tasks >= plan.tasks and len(history.faults) >= plan.faults


def _found(plan: Plan, place: Installation) -> bool:
    if not plan.until:
        return False
    try:
        with psycopg.connect(place.direct, autocommit=True) as session:
            return session.execute(plan.until).fetchone() is not None
    except psycopg.Error:
        return False


_OPEN = """
SELECT (SELECT count(*) FROM workflows_dagrun WHERE ended_at IS NULL),
       EXTRACT(EPOCH FROM now() - (SELECT max(at) FROM workflows_event))::float8
"""


def _settle(place: Installation) -> None:
    """Return when every run has ended, or when nothing has happened for so long that nothing will.

    For so long since all was healed: a database that was down to the end tells of nothing either.
    """
    quiet, healed = QUIET + float(str(TIMES["LEASE_SECONDS"])), time.monotonic()
    with psycopg.connect(place.direct, autocommit=True) as session:
        while True:
            row = session.execute(_OPEN).fetchone()
            assert row is not None
            if not row[0] or min(row[1] or 0.0, time.monotonic() - healed) > quiet:
                return
            _PAUSE.wait(0.25)


def _audit(verdict: Verdict) -> None:
    from workflows.engine import invariants

    connections.close_all()
    with override_settings(CELERIAC=TIMES):  # the auditor's own would call tasks poisoned that are not
        conf.reload()
        findings = invariants.audit(quiescent=True, newest=1_000_000)
    conf.reload()
    for finding in findings:
        if not finding.holds:
            sample = f"{finding.id} {finding.title}: {finding.count}, such as {finding.rows[:2]}"
            verdict.wrong("broken_invariants", sample)


def _left(place: Installation) -> list[str]:
    """Processes that tasks started and that live though nothing runs any more."""
    mine = str(place.ledger).encode()

    def look() -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                environ = Path(f"/proc/{process.pid}/environ").read_bytes()
                if MARK in environ and mine in environ:
                    found.append(f"{process.pid} {' '.join(process.cmdline())}")
            except (OSError, psutil.Error):
                continue
        return found

    until = time.monotonic() + 5
    while (left := look()) and time.monotonic() < until:
        _PAUSE.wait(0.2)
    return left
