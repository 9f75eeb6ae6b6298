"""PostgreSQL that is killed, cut off, slow, or whose answers are lost."""

from __future__ import annotations

import random

import psycopg

from tests.chaos.harness.faults.kinds import LEASE, PAUSE, Harm, fault
from tests.chaos.harness.installation import Installation


@fault(weight=3, holds="postgres")
def restart_postgres(chance: random.Random) -> Harm:
    """SIGKILL of all its processes, and recovery from the log."""
    seconds = chance.uniform(0.0, 1.5)

    def do(place: Installation) -> str:
        place.servers.postgres.kill()
        PAUSE.wait(seconds)
        place.bring_back(place.servers.postgres)
        return ""

    return do


@fault(weight=4)
def kill_backend(chance: random.Random) -> Harm:
    """One session of PostgreSQL is terminated in the middle of whatever it does."""
    pick = chance.random()

    def do(place: Installation) -> str:
        try:
            with psycopg.connect(place.direct, autocommit=True) as session:
                query = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid() ORDER BY pid"
                pids = [row[0] for row in session.execute(query, (place.database,))]
                if pids:
                    session.execute("SELECT pg_terminate_backend(%s)", (pids[int(pick * len(pids))],))
        except psycopg.Error:
            return "-"
        return ""

    return do


@fault(weight=4, holds="postgres network")
def cut_postgres(chance: random.Random) -> Harm:
    """Every connection to PostgreSQL is reset."""

    def do(place: Installation) -> str:
        place.postgres.cut()
        return ""

    return do


@fault(weight=8, holds="postgres network")
def lose_answers(chance: random.Random) -> Harm:
    """The answers to some commits are lost: PostgreSQL has done them, and nobody knows."""
    times = chance.randint(1, 8)

    def do(place: Installation) -> str:
        place.postgres.cut_after_commit(times)
        PAUSE.wait(1.0)
        place.postgres.cut_after_commit(0)
        return ""

    return do


@fault(weight=2, holds="postgres network")
def silence_postgres(chance: random.Random) -> Harm:
    """Half-open: connections to PostgreSQL carry nothing any more, and nobody is told; later they are reset."""
    seconds = chance.uniform(0.5, 1.5 * LEASE)

    def do(place: Installation) -> str:
        place.postgres.die_silently()
        PAUSE.wait(seconds)
        place.postgres.come_back()
        return ""

    return do


@fault(weight=2, holds="postgres network")
def slow_postgres(chance: random.Random) -> Harm:
    """Latency, each way."""
    latency, seconds = chance.uniform(0.005, 0.05), chance.uniform(1.0, 3.0)

    def do(place: Installation) -> str:
        place.postgres.slow(latency)
        PAUSE.wait(seconds)
        place.postgres.slow(0.0)
        return ""

    return do
