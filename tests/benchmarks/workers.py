"""The worker processes of each system: prefork 2, the same flags, one set per system."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from orchestrator.standalone.guardian import Guardian
from tests.benchmarks.systems.base import System

ROOT = Path(__file__).resolve().parents[2]
CONCURRENCY = 2
FLAGS = ("--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "WARNING")
STOP_SECONDS = 15


class Workers:
    """One `celery worker` with two children, and whatever else the system keeps running beside it."""

    def __init__(self, system: System, logs: Path, guardian: Guardian, include: Sequence[str]) -> None:
        self.log = logs / f"worker-{system.name}.log"
        self._guardian = guardian
        # Found by module name and not by script, so that every process has the checkout on its path.
        celery = ["celery", "-A", system.app, "worker", *FLAGS, "--concurrency", str(CONCURRENCY)]
        celery += ["--queues", system.queue, "--hostname", f"{system.name}@bench"]
        celery += [part for module in include for part in ("--include", module)]
        # The references have nothing to do with Django: Celery would look after connections in each task.
        environment = {k: v for k, v in os.environ.items() if k != "DJANGO_SETTINGS_MODULE"}
        environment |= system.environment
        with self.log.open("ab") as output:
            self._processes = [
                subprocess.Popen(
                    [sys.executable, "-m", *command], cwd=ROOT, env=environment, stdout=output, stderr=output
                )
                for command in (celery, *system.companions)
            ]
        for process in self._processes:
            guardian.watch(process.pid, stop_signal=signal.SIGTERM, server=False)

    @property
    def pids(self) -> list[int]:
        """The main processes; the worker's is the first."""
        return [process.pid for process in self._processes]

    def ask_to_stop(self) -> None:
        """Warm shutdown, without waiting for it."""
        for process in self._processes:
            process.terminate()

    def wait(self) -> None:
        """Until they have stopped; killed if they do not."""
        for process in self._processes:
            try:
                process.wait(timeout=STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._guardian.forget(process.pid)

    def said(self, lines: int = 25) -> str:
        """The end of the worker's log, for an error message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def crew(systems: Sequence[System], home: Path, guardian: Guardian, *include: str) -> Iterator[dict[str, Workers]]:
    """Workers for each system, stopped at the end; they import the modules of `include` before they fork."""
    started: dict[str, Workers] = {}
    try:
        for system in systems:
            started[system.name] = Workers(system, home, guardian, include)
        yield started
    finally:
        for workers in started.values():
            workers.ask_to_stop()
        for workers in started.values():
            workers.wait()


def pause(seconds: float) -> None:
    """Let the machine come to rest between two measurements."""
    threading.Event().wait(seconds)
