"""An embedded PostgreSQL: a data directory, its start, and the sentences for what can go wrong."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import psycopg
from psycopg import sql

from orchestrator.standalone.account import Account
from orchestrator.standalone.binaries import Program
from orchestrator.standalone.errors import CannotStart, from_os
from orchestrator.standalone.guardian import started_at
from orchestrator.standalone.ports import LOOPBACK

USER = "celeriac"
_BUILTIN_LOCALE_SINCE = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Postgres:
    """One server of ours; `settings` override postgresql.conf, `sync=False` is for throw-away data only."""

    program: Program
    account: Account
    root: Path
    port: int
    password: str
    settings: Mapping[str, str] = field(default_factory=dict)
    sync: bool = True

    stop_signal = signal.SIGINT  # "fast": ends the sessions and writes everything; SIGTERM would wait for clients

    @property
    def data(self) -> Path:
        """The data directory; its name carries the major version, as the files do."""
        return self.root / f"postgres-{self.program.version[0]}"

    def url(self, database: str = USER) -> str:
        """The address with the password in it."""
        return f"postgresql://{USER}:{quote(self.password)}@{LOOPBACK}:{self.port}/{quote(database)}"

    def prepare(self) -> bool:
        """Make the data directory, or tidy the old one; True if new. The caller holds the home's lock."""
        self._refuse_other_major()
        if (self.data / "PG_VERSION").exists():
            self._stop_leftover()
            return False
        try:
            self._initialise()
        except OSError as error:
            raise from_os(error, "making PostgreSQL's data directory") from error
        return True

    def command(self) -> list[str]:
        """The command line; it shows no secret."""
        settings = {
            "listen_addresses": LOOPBACK,
            "port": str(self.port),
            "unix_socket_directories": "",
            "max_connections": "100",
            "timezone": "UTC",
            "log_timezone": "UTC",
            "log_line_prefix": "",
            "log_checkpoints": "off",
        }
        if (self.program.path.parents[1] / "lib" / "pg_stat_statements.so").exists():
            settings["shared_preload_libraries"] = "pg_stat_statements"
        settings.update(self.settings)
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.program.path), "-D", str(self.data), *flags]

    def wait_ready(self, alive: Callable[[], bool], timeout: float = 60.0) -> None:
        """Return when it accepts a session; raise if it ended or takes too long (recovery takes its time)."""
        deadline = time.monotonic() + timeout
        problem, pause = "", 0.02
        while alive() and time.monotonic() < deadline:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
            except psycopg.OperationalError as error:
                problem = str(error).strip().splitlines()[0]
                if "password authentication failed" in problem:
                    raise CannotStart(
                        f"PostgreSQL in {self.data} has another password than the state file: put back the "
                        "state.json that belongs to it, or move the directory away to start empty."
                    ) from error
                time.sleep(pause)
                pause = min(pause * 1.5, 0.25)  # each look is a line in the server's log
            else:
                return
        why = f"it does not answer: {problem}" if alive() else "it ended by itself; its last lines are above"
        raise CannotStart(f"PostgreSQL in {self.data} did not start ({why}).", process="postgres")

    def ensure_database(self, name: str = USER, *, owner: str = USER) -> None:
        """Create the database if it is missing."""
        with psycopg.connect(self.url("postgres"), autocommit=True) as connection:
            if not connection.execute("select 1 from pg_database where datname = %s", [name]).fetchone():
                connection.execute(
                    sql.SQL("create database {} owner {}").format(sql.Identifier(name), sql.Identifier(owner))
                )

    def _refuse_other_major(self) -> None:
        mine = self.program.version[0]
        others = sorted(
            int(path.parent.name.removeprefix("postgres-"))
            for path in self.root.glob("postgres-*/PG_VERSION")
            if path.parent.name.removeprefix("postgres-").isdigit()
        )
        if others and mine not in others:
            raise CannotStart(
                f"The data in {self.root} was written by PostgreSQL {others[-1]}, and the server found is "
                f"version {mine}: set CELERIAC_POSTGRES to the `postgres` of version {others[-1]}, "
                f"or dump the data with it and move postgres-{others[-1]} away to start empty."
            )

    def _initialise(self) -> None:
        """Run initdb in a directory beside, then rename: a data directory is whole or not there."""
        fresh = self.root / f"{self.data.name}.new"
        shutil.rmtree(fresh, ignore_errors=True)
        shutil.rmtree(self.data, ignore_errors=True)  # without PG_VERSION it is no database
        self.account.directory(fresh)
        # A file and not /dev/fd/N: after the change of user initdb may not open the descriptor again.
        secret = self.root / "initdb-password"
        secret.touch(mode=0o600)
        try:
            self.account.own(secret, 0o600)
            secret.write_text(self.password, encoding="utf-8")
            self._initdb(fresh, secret)
        finally:
            secret.unlink(missing_ok=True)
        fresh.rename(self.data)

    def _initdb(self, target: Path, secret: Path) -> None:
        locale = ["--locale=C.UTF-8"]
        if self.program.version[0] >= _BUILTIN_LOCALE_SINCE:
            locale = ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        done = subprocess.run(
            [
                self.program.sibling("initdb"),
                *("-D", target, "--username", USER, "--pwfile", secret, "--auth", "scram-sha-256"),
                *("--encoding", "UTF8", *locale, "--no-instructions", *(() if self.sync else ("--no-sync",))),
            ],
            capture_output=True,
            text=True,
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"},
            **self.account.popen(),
        )
        if done.returncode:
            shutil.rmtree(target, ignore_errors=True)
            raise self._sentence(done.stderr)

    def _sentence(self, output: str) -> CannotStart:
        if "No space left on device" in output or "Disk quota exceeded" in output:
            return CannotStart(
                f"The disk is full (making PostgreSQL's data directory in {self.root}): free some space, "
                "or set CELERIAC_HOME to a directory on a disk that has some."
            )
        errors = [line for line in output.splitlines() if "error" in line.lower() or "fatal" in line.lower()]
        last = re.sub(r"^\S*initdb: ", "", (errors or output.strip().splitlines() or ["no message"])[0])
        return CannotStart(f"PostgreSQL's initdb failed in {self.root}: {last}.")

    def _stop_leftover(self) -> None:
        """Deal with what a killed life left: a server that still runs, or a pid file in the way."""
        pidfile = self.data / "postmaster.pid"
        try:
            pid = int(pidfile.read_text(encoding="utf-8").split()[0])
        except (FileNotFoundError, IndexError, ValueError):
            return
        if started_at(pid) and self._is_ours(pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, self.stop_signal)
            deadline = time.monotonic() + 30
            while started_at(pid):
                if time.monotonic() > deadline:
                    raise CannotStart(
                        f"A PostgreSQL left from an earlier run (pid {pid}) does not stop: end it, then start again."
                    )
                time.sleep(0.05)
        # A zombie, or another program that got the pid after a reboot: PostgreSQL would refuse to start.
        pidfile.unlink(missing_ok=True)

    def _is_ours(self, pid: int) -> bool:
        """Whether the process is a server on our data directory."""
        try:
            line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            shown = subprocess.run(["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True)
            line = shown.stdout
        return "postgres" in line and str(self.data) in line
