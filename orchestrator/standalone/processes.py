"""Celeriac's own processes, as the supervisor runs them. docker-compose.yml starts the same ones."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence

from orchestrator import env
from orchestrator.standalone import ports
from orchestrator.standalone.child import Alive, Spec
from orchestrator.standalone.postgres import Postgres
from orchestrator.standalone.supervisor import READY_SECONDS, did_not_start
from orchestrator.standalone.valkey import Valkey

# The clock first, then the onlookers, then those who work; the servers when nobody needs them any more.
STOP_ORDER = (("beat",), ("flower",), ("reconciler",), ("worker",), ("web",), ("valkey",), ("postgres",))
_CELERY = (sys.executable, "-m", "celery", "-A", "orchestrator")


def postgres(server: Postgres) -> Spec:
    """The database."""
    return Spec(
        name="postgres",
        command=server.command(),
        popen=server.account.popen(),
        stop_signal=server.stop_signal,
        stop_seconds=60,
        server=True,
        prepare=server.prepare,
        ready=server.wait_ready,
    )


def valkey(server: Valkey) -> Spec:
    """The broker."""
    return Spec(
        name="valkey",
        command=server.command(),
        popen=server.account.popen(),
        stop_signal=server.stop_signal,
        stop_seconds=30,
        server=True,
        prepare=server.prepare,
        ready=server.wait_ready,
    )


def manage(name: str, *arguments: str, environment: Mapping[str, str], inherit_output: bool = False) -> Spec:
    """A management command."""
    return Spec(
        name=name,
        command=[sys.executable, str(env.ROOT / "manage.py"), *arguments],
        env=environment,
        popen=_HERE,
        inherit_output=inherit_output,
    )


def web(port: int, environment: Mapping[str, str]) -> Spec:
    """Admin, API and event streams."""

    def ready(alive: Alive) -> None:
        deadline = time.monotonic() + READY_SECONDS
        while not ports.answers(port):
            if not alive() or time.monotonic() > deadline:
                raise did_not_start("web")
            time.sleep(0.05)

    return Spec(
        name="web",
        command=[
            *(sys.executable, "-m", "uvicorn", "orchestrator.asgi:application"),
            *("--host", ports.LOOPBACK, "--port", str(port), "--lifespan", "off", "--no-access-log"),
            # Without it an open event stream would hold the stop for ever.
            *("--timeout-graceful-shutdown", "5"),
        ],
        env=environment,
        popen=_HERE,
        stop_seconds=8,
        ready=ready,
    )


def worker(concurrency: int, queues: Sequence[str], environment: Mapping[str, str]) -> Spec:
    """The worker of every pool; a warm stop lets running tasks finish."""
    return Spec(
        name="worker",
        # One worker has no neighbours to ask (mingle) or to hear (gossip): it starts a second earlier.
        command=[
            *(*_CELERY, "--quiet", "worker", "--without-mingle", "--without-gossip"),
            *("-n", "standalone@%h", "-l", "INFO", "-c", str(concurrency), "-Q", ",".join(queues)),
        ],
        env={**environment, **_QUIET_ROOT},
        popen=_HERE,
        stop_seconds=25,
        ready_text=" ready.",
    )


def reconciler(environment: Mapping[str, str]) -> Spec:
    """The guarantee that lost work is found."""
    return manage("reconciler", "reconcile", "--forever", environment=environment)


def beat(environment: Mapping[str, str]) -> Spec:
    """The clock."""
    return Spec(name="beat", command=[*_CELERY, "beat", "-l", "INFO", "--pidfile="], env=environment, popen=_HERE)


def flower(port: int, credentials: str, environment: Mapping[str, str]) -> Spec:
    """The view of the workers. The credentials go through the environment: a command line is public."""
    return Spec(
        name="flower",
        command=[*_CELERY, "flower", f"--address={ports.LOOPBACK}", f"--port={port}"],
        env={**environment, "FLOWER_BASIC_AUTH": credentials},
        popen=_HERE,
        stop_seconds=5,
    )


_HERE = {"cwd": str(env.ROOT)}
# Said at every start as root (a container, say), to no one's use: JSON is all that our workers accept.
_QUIET_ROOT = {"PYTHONWARNINGS": "ignore:You're running the worker with superuser privileges"}
