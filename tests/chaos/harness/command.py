"""`make chaos` and `make chaos-long`: which rounds are played, and what is printed of them."""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.chaos.harness import record, tables
from tests.chaos.harness.rounds import Outcome, Plan, play
from tests.chaos.harness.stored import STALE
from tests.support import settings as chosen
from tests.support.servers import DURABLE, ROOT, Servers

SEED = 20261122
TEMPLATE = "chaos_template"
# What is taken out; what must be seen then; a query that tells that it was seen; for how many times --control-seconds.
CONTROLS = (("reconciler", ("lost", "stuck"), "", 1), ("fencing", ("stale_accepted",), STALE, 4))


def main(arguments: list[str]) -> int:
    """Play; 0 when nothing is wrong, and when the controls saw what they must."""
    given = _parser().parse_args(arguments)
    if given.sum:
        print(tables.of_record(record.read()))
        return 0
    with _servers() as servers:
        return _long(given, servers) if given.long else _short(given, servers)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos.harness", description=__doc__)
    add = parser.add_argument
    add("--seed", type=int, default=SEED, help="what is drawn: DAGs, load, faults")
    add("--seconds", type=float, default=360.0, help="of one round, at most")
    add("--tasks", type=int, default=5_000, help="of one round, at least (if there is time)")
    add("--faults", type=int, default=100, help="of one round, at least (if there is time)")
    add("--pause", type=float, help="mean seconds between two faults (1.6; with --long 3)")
    add("--open-runs", type=int, default=24, help="runs that are kept going")
    add("--concurrency", type=int, default=4, help="processes of each worker")
    add("--no-controls", action="store_true", help="leave out the rounds with a mechanism taken out")
    add("--control-seconds", type=float, default=45.0, help="of a control round; four times as long for what is rarer")
    add("--mutation", default="", help="play one round with this taken out, and no other")
    add("--long", action="store_true", help="rounds without end, each added to the record")
    add("--hours", type=float, default=1.0, help="with --long: for how long")
    add("--sum", action="store_true", help="only print what is on record")
    add("--keep", type=Path, default=Path(tempfile.gettempdir()) / "celeriac-chaos", help="where histories are kept")
    return parser


@contextmanager
def _servers() -> Iterator[Servers]:
    servers = Servers(
        postgres_port=chosen.POSTGRES_PORT,
        valkey_port=chosen.VALKEY_PORT,
        password=chosen.SERVER_PASSWORD,
        postgres_settings=DURABLE,
        valkey_settings={"appendonly": "no"},
    )
    with servers:
        _migrate(servers)
        yield servers


def _migrate(servers: Servers) -> None:
    import os

    env = os.environ | {"DATABASE_URL": servers.create_database(TEMPLATE)}
    env["DJANGO_SETTINGS_MODULE"] = "orchestrator.settings"
    subprocess.run([sys.executable, "manage.py", "migrate", "-v0"], cwd=ROOT, env=env, check=True, timeout=300)


def _plan(given: argparse.Namespace, **changes: object) -> Plan:
    fields = {
        "seed": given.seed,
        "seconds": given.seconds,
        "tasks": given.tasks,
        "faults": given.faults,
        "pause": given.pause or (3.0 if given.long else 1.6),
        "open_runs": given.open_runs,
        "concurrency": given.concurrency,
        **changes,
    }
    name = f"history-{fields['seed']}{'-' + str(fields['mutation']) if fields.get('mutation') else ''}.jsonl"
    return Plan(**fields, keep=given.keep / name)  # type: ignore[arg-type]


def _say(text: str) -> None:
    print(text, flush=True)


def _short(given: argparse.Namespace, servers: Servers) -> int:
    """One round, and the two controls with the same seed."""
    _say(f"seed {given.seed}; histories in {given.keep}")
    if given.mutation:
        _say(tables.of_round(play(_plan(given, mutation=given.mutation, audit=False), servers, TEMPLATE, _say)))
        return 0
    outcome = play(_plan(given), servers, TEMPLATE, _say)
    _say(tables.of_round(outcome))
    counts = outcome.verdict.counts
    short = [f"{counts.enqueued} tasks"] if counts.enqueued < given.tasks else []
    if counts.faults < given.faults or counts.kinds < min(10, given.faults):
        short.append(f"{counts.faults} faults of {counts.kinds} kinds")
    good = outcome.verdict.clean and not short
    if short:
        _say(f"Too little: {', '.join(short)}. Give it more --seconds, or an idle machine.")
    if not given.no_controls:
        good = _controls(given, servers) and good
    _say("chaos: all good" if good else "chaos: NOT good")
    return 0 if good else 1


def _controls(given: argparse.Namespace, servers: Servers) -> bool:
    """The same seed with a mechanism taken out: what the harness is there to see must be seen.

    That a worker is frozen for longer than its lease, and thaws while another has its task, may take a while to happen.
    """
    good = True
    for mutation, seen, until, times in CONTROLS:
        seconds = times * given.control_seconds
        plan = _plan(given, mutation=mutation, seconds=seconds, tasks=0, faults=0, audit=False, until=until)
        outcome = play(plan, servers, TEMPLATE, _say)
        found = sum(getattr(outcome.verdict.counts, name) for name in seen)
        _say(tables.of_control(outcome, seen))
        good = good and found > 0
    return good


def _long(given: argparse.Namespace, servers: Servers) -> int:
    """Round after round with seeds that were not played before; the record is written after each."""
    until = time.monotonic() + 3600 * given.hours
    good = True
    while time.monotonic() < until:
        seed = record.next_seed(given.seed)
        left = until - time.monotonic()
        plan = _plan(given, seed=seed, seconds=min(given.seconds, max(30.0, left)), tasks=0, faults=0)
        outcome: Outcome = play(plan, servers, TEMPLATE, _say)
        record.add(outcome)
        _say(tables.of_round(outcome))
        _say(tables.of_record(record.read()))
        good = good and outcome.verdict.clean
    return 0 if good else 1
