"""A real PostgreSQL and a real Valkey for tests and benchmarks, from the same code as the standalone's."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType

import psycopg
from psycopg import sql

from orchestrator.standalone import binaries, ports
from orchestrator.standalone.account import server_account
from orchestrator.standalone.guardian import Guardian
from orchestrator.standalone.postgres import Postgres
from orchestrator.standalone.valkey import Valkey

ROOT = Path(__file__).resolve().parents[2]
# What is committed still survives a SIGKILL of the server, only not a power cut of the machine.
FAST = {"fsync": "off", "full_page_writes": "off"}
DURABLE: dict[str, str] = {}


class Server:
    """One server process that can be killed and started again on the same data and port."""

    def __init__(self, spec: Postgres | Valkey, *, guardian: Guardian, logs: Path) -> None:
        self.spec = spec
        self.log = logs / f"{type(spec).__name__.lower()}.log"
        self._guardian = guardian
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The server's process id; it must be running."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it and wait until it answers."""
        self.spec.prepare()
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.spec.command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self.spec.account.popen(),
            )
        self._guardian.watch(self._process.pid, stop_signal=self.spec.stop_signal, server=True)
        self.spec.wait_ready(self.alive)

    def stop(self) -> None:
        """Stop it in order."""
        self._end(self.spec.stop_signal)

    def kill(self) -> None:
        """SIGKILL: what a power cut or the kernel's memory killer does."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Start it again, stopping it first if it runs."""
        self.stop()
        self.start()

    def _end(self, how: int) -> None:
        if self._process is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, how) if how == signal.SIGKILL else os.kill(self._process.pid, how)
        self._process.wait(timeout=30)
        self._guardian.forget(self._process.pid)
        self._process = None


class Servers:
    """Both servers in a temporary directory; a guardian stops them even if this process is killed."""

    def __init__(
        self,
        *,
        postgres_port: int | None = None,
        valkey_port: int | None = None,
        password: str | None = None,
        postgres_settings: Mapping[str, str] = FAST,
        valkey_settings: Mapping[str, str] | None = None,
    ) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="celeriac-test-", dir=_temporary_root()))
        self.root.chmod(0o711)  # PostgreSQL runs as another user when the tests run as root
        self.guardian = Guardian()
        account = server_account()
        password = password or secrets.token_urlsafe(12)
        self.postgres = Server(
            Postgres(
                program=binaries.postgres(account, self.root),
                account=account,
                root=self.root,
                port=postgres_port or ports.choose(),
                password=password,
                settings=dict(postgres_settings),
                sync=postgres_settings.get("fsync") != "off",
            ),
            guardian=self.guardian,
            logs=self.root,
        )
        self.valkey = Server(
            Valkey(
                program=binaries.valkey(account, self.root),
                account=account,
                root=self.root,
                port=valkey_port or ports.choose(),
                password=password,
                settings=dict(valkey_settings or {}),
            ),
            guardian=self.guardian,
            logs=self.root,
        )

    @property
    def database_url(self) -> str:
        """PostgreSQL's address, with its database `celeriac`."""
        assert isinstance(self.postgres.spec, Postgres)
        return self.postgres.spec.url()

    @property
    def broker_url(self) -> str:
        """Valkey's address."""
        assert isinstance(self.valkey.spec, Valkey)
        return self.valkey.spec.url

    def start_postgres(self) -> None:
        """Start PostgreSQL if it does not run, with an empty database `celeriac`."""
        if not self.postgres.alive():
            self.postgres.start()
            assert isinstance(self.postgres.spec, Postgres)
            self.postgres.spec.ensure_database()

    def start_valkey(self) -> None:
        """Start Valkey if it does not run."""
        if not self.valkey.alive():
            self.valkey.start()

    def stop(self) -> None:
        """Stop both and remove their data."""
        self.valkey.stop()
        self.postgres.stop()
        self.guardian.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def __enter__(self) -> Servers:
        self.start_postgres()
        self.start_valkey()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @contextlib.contextmanager
    def admin(self) -> Iterator[psycopg.Connection]:
        """An autocommit session of the database superuser, outside Django."""
        assert isinstance(self.postgres.spec, Postgres)
        with psycopg.connect(self.postgres.spec.url("postgres"), autocommit=True) as connection:
            yield connection

    def create_database(self, name: str, *, template: str = "template1") -> str:
        """A new database as a copy of another one (which nobody may be connected to); its URL."""
        statement = sql.SQL("create database {} template {}").format(sql.Identifier(name), sql.Identifier(template))
        with self.admin() as connection:
            connection.execute(statement)
        assert isinstance(self.postgres.spec, Postgres)
        return self.postgres.spec.url(name)

    def drop_database(self, name: str) -> None:
        """Remove a database, ending the sessions that are in it."""
        with self.admin() as connection:
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


def _temporary_root() -> Path:
    """The temporary directory, or /tmp when the servers' user cannot get into the caller's."""
    mine = Path(tempfile.gettempdir())
    return mine if server_account().reaches(mine) else Path("/tmp")
