"""The worker processes of each system: prefork 2, the same flags, one set per system."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

from tests.benchmarks.systems.base import System

ROOT = Path(__file__).resolve().parents[2]
CONCURRENCY = 2
FLAGS = ("--pool", "prefork", "--without-gossip", "--without-mingle", "--loglevel", "WARNING")


class Workers:
    """One `celery worker` with its two children."""

    def __init__(self, system: System, logs: Path, *, include: Sequence[str] = ()) -> None:
        self.system = system
        self.log = logs / f"worker-{system.name}.log"
        command = [sys.executable, "-m", "celery", "-A", system.app, "worker", *FLAGS]
        command += [
            "--concurrency",
            str(CONCURRENCY),
            "--queues",
            system.queue,
            "--hostname",
            f"{system.name}@bench",
        ]
        command += [part for module in include for part in ("--include", module)]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)

    def __enter__(self) -> Workers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Warm shutdown, then none."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            self.process.wait(timeout=15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def said(self, lines: int = 15) -> str:
        """The end of the worker's log, for an error message."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


def pause(seconds: float) -> None:
    """Let the machine come to rest between two measurements."""
    threading.Event().wait(seconds)
