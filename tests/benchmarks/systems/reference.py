"""What the three references share: they say on a list in Redis that a run has ended."""

from __future__ import annotations

import time
import uuid
from collections.abc import Mapping, Sequence

import redis

from tests.benchmarks.systems.base import FINISHED, NotFinished, store
from tests.benchmarks.workloads import Workload


class Reference:
    """Base of the references' drivers."""

    environment: Mapping[str, str] = {}
    companions: Sequence[list[str]] = ()

    def __init__(self, name: str, app: str, database: int) -> None:
        self.name = name
        self.queue = name
        self.app = app
        self.redis: redis.Redis = store(database)

    def prepare(self, workload: Workload) -> None:
        """Nothing to define."""

    def wait(self, runs: list[str], timeout: float) -> float:
        """Until every run was announced."""
        missing, until = set(runs), time.monotonic() + timeout
        while missing:
            found = self.redis.blpop([FINISHED], timeout=1)
            if found is not None:
                missing.discard(found[1])
            elif time.monotonic() > until:
                raise NotFinished(f"{self.name}: {len(missing)} of {len(runs)} runs did not end in {timeout:.0f} s")
        return time.time()

    def forget(self) -> None:
        """Drop the counters of ended runs; the queue is empty by then."""
        for pattern in ("run:*", "celery-task*"):
            keys = list(self.redis.scan_iter(pattern, count=1000))
            if keys:
                self.redis.delete(*keys)

    @staticmethod
    def new_run() -> str:
        """A short unique id."""
        return uuid.uuid4().hex[:12]
