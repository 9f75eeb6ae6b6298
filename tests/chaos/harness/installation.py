"""A whole installation for one round: servers behind proxies, every process of Celeriac, and who restarts them."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import redis
from django.db import connections

from orchestrator.standalone.errors import CannotStart
from orchestrator.standalone.postgres import Postgres
from orchestrator.standalone.valkey import Valkey
from tests.chaos.harness.steps import LEDGER
from tests.support.proxy import Proxy
from tests.support.servers import Server, Servers
from tests.support.stack import LiveProcess, Stack
from tests.support.waiting import eventually

WORKERS = 2
BACK_SECONDS = 30.0  # for a server that was killed to be started again
_PAUSE = threading.Event()
TIMES = {
    "LEASE_SECONDS": 2.0,
    "LEASE_RENEW_SECONDS": 0.4,
    "SWEEP_SECONDS": 0.25,
    "REDELIVER_SECONDS": 1.5,
    "STOP_GRACE": 1.0,
    "HARD_TIMEOUT_GRACE": 1.5,
    "MAX_LOST_ATTEMPTS": 1_000_000,  # what is killed here is not to blame for it
    "PYTHON_MODULES": ["tests.chaos.harness"],
}


class Installation:
    """Two workers, a reconciler, beat and web, on servers that they reach through proxies only."""

    def __init__(self, servers: Servers, template: str, *, mutation: str = "", concurrency: int = 2) -> None:
        assert isinstance(servers.postgres.spec, Postgres)
        assert isinstance(servers.valkey.spec, Valkey)
        self.servers = servers
        self.directory = Path(tempfile.mkdtemp(prefix="chaos-"))
        self.ledger = self.directory / "effects"
        self.database = f"chaos_{secrets.token_hex(4)}"
        self.direct = servers.create_database(self.database, template=template)
        self.postgres = Proxy(servers.postgres.spec.port, postgres=True)
        self.broker = Proxy(servers.valkey.spec.port)
        self.concurrency = concurrency
        self.traps = self.directory / "traps"
        self.counts = self.directory / "counts"
        self.counts.mkdir()
        self.token = ""
        self.restarts = 0
        self.resting: set[str] = set()  # processes that a fault has stopped, and starts again by itself
        self._ended = threading.Event()
        self.stack = self._stack(mutation)
        self._supervisor = threading.Thread(target=self._supervise, name="supervisor", daemon=True)

    def _stack(self, mutation: str) -> Stack:
        spec, broker = self.servers.postgres.spec, self.servers.valkey.spec
        env = {
            LEDGER: str(self.ledger),
            "CELERIAC_SETTINGS": json.dumps(TIMES),
            "DJANGO_SETTINGS_MODULE": "tests.chaos.harness.settings",
            "CELERIAC_MUTATION": mutation,
            "CELERIAC_FAILPOINTS": f"@{self.traps}",
            "CELERIAC_FAILPOINT_COUNTS": str(self.counts),
            "PGSSLMODE": "disable",
            "PGGSSENCMODE": "disable",
            "LOG_LEVEL": "WARNING",
        }
        return Stack(
            database_url=self.direct.replace(f":{spec.port}/", f":{self.postgres.port}/"),
            broker_url=self.servers.broker_url.replace(f":{broker.port}/", f":{self.broker.port}/"),
            directory=self.directory,
            guardian=self.servers.guardian,
            env=env,
        )

    @contextlib.contextmanager
    def running(self) -> Iterator[Installation]:
        """Everything started, and this process's Django in the round's database; at the end nothing is left."""
        default = connections.databases["default"]
        before = default["NAME"]
        connections.close_all()
        default["NAME"] = self.database
        _forget_plans()
        self._empty_broker()
        try:
            self._start()
            yield self
        finally:
            self._ended.set()
            self._supervisor.join(30)
            self.stack.end()
            self.postgres.close()
            self.broker.close()
            connections.close_all()
            default["NAME"] = before
            _forget_plans()
            self.servers.drop_database(self.database)
            shutil.rmtree(self.directory, ignore_errors=True)

    def _start(self) -> None:
        self.token = _token()
        self.stack.reconciler()
        self.stack.beat()
        options = ("-l", "WARNING", "--without-gossip", "--without-mingle")
        for number in range(1, WORKERS + 1):
            self.stack.worker(f"worker{number}", concurrency=self.concurrency, options=options, wait=False)
        self.stack.web()
        self._wait_for_nodes()
        self._supervisor.start()

    def _wait_for_nodes(self) -> None:
        from workflows.models import Node

        eventually(lambda: Node.objects.count() == WORKERS, 60, every=0.2, saying="the workers never registered")

    def _empty_broker(self) -> None:
        with self.client() as client:
            client.flushall()

    @contextlib.contextmanager
    def client(self) -> Iterator[redis.Redis]:
        """The broker itself, past the proxy."""
        client = redis.Redis.from_url(self.servers.broker_url)
        try:
            yield client
        finally:
            client.close()

    def url(self) -> str:
        """Where the API is."""
        return self.stack.web_url

    def workers(self) -> list[LiveProcess]:
        """The workers whose main process lives and that nobody is stopping."""
        found = [p for p in self.stack.processes if p.name.startswith("worker") and p.name not in self.resting]
        return [worker for worker in found if worker.alive()]

    def busy(self, age: float = 0.0) -> list[int]:
        """The processes that are in a python task, for at least `age` seconds, by the end of the ledger."""
        if not self.ledger.exists():
            return []
        with self.ledger.open("rb") as file:
            file.seek(max(0, self.ledger.stat().st_size - 40_000))
            lines = [line.split() for line in file.read().decode().splitlines()[1:]]
        whole = [line for line in lines if len(line) == 7]
        ended = {tuple(line[1:6]) for line in whole if line[0] == "E"}
        started = [line for line in whole if line[0] == "S" and float(line[6]) < time.time() - age]
        pids = {int(line[5].partition(".")[0]) for line in started if tuple(line[1:6]) not in ended}
        return [pid for pid in pids if Path(f"/proc/{pid}").exists()]  # who was killed left no line of an end

    def _supervise(self) -> None:
        """Start again what has died, as systemd or Kubernetes does."""
        while not self._ended.wait(0.3):
            for process in self.stack.processes:
                if not process.alive() and process.name not in self.resting:
                    process.start()
                    self.restarts += 1

    def arm(self, point: str, action: str) -> None:
        """Let a failpoint act once."""
        with contextlib.suppress(FileNotFoundError):
            (self.counts / point).unlink()
        draft = self.traps.with_suffix(".new")
        draft.write_text(f"{point}={action}")
        draft.rename(self.traps)

    def heal(self) -> None:
        """End every lasting harm."""
        self.traps.unlink(missing_ok=True)
        for proxy in (self.postgres, self.broker):
            proxy.slow(0.0)
            proxy.cut_after_commit(0)
            if proxy.dead:
                proxy.come_back()
        for server in (self.servers.postgres, self.servers.valkey):
            if not server.alive():
                self.bring_back(server)
        self.resting.clear()

    def bring_back(self, server: Server) -> None:
        """Start a server that was killed, again and again for a while: another process may sit on its port just then.

        A server that stays down would be a fault that nobody drew, and end every later one.
        """
        until = time.monotonic() + BACK_SECONDS
        while True:
            try:
                server.start()
            except CannotStart:
                if time.monotonic() > until:
                    raise
                _PAUSE.wait(0.5)
            else:
                return

    def facts(self) -> Mapping[str, Any]:
        """What a reader of the figures should know of the machine."""
        return {"workers": WORKERS, "children": WORKERS * self.concurrency, "cores": os.cpu_count(), **TIMES}


def _forget_plans() -> None:
    from workflows.engine import plans

    plans.forget()


def _token() -> str:
    from django.contrib.auth.models import User
    from rest_framework.authtoken.models import Token

    user = User.objects.create_superuser("chaos", password=secrets.token_urlsafe(12))
    return str(Token.objects.create(user=user).key)
