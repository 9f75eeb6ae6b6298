"""An embedded Valkey (or Redis): its configuration, its start, and the sentences for what can go wrong."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.standalone.account import Account
from orchestrator.standalone.binaries import Program
from orchestrator.standalone.errors import CannotStart, from_os
from orchestrator.standalone.ports import LOOPBACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Valkey:
    """One broker of ours; `settings` override its configuration."""

    program: Program
    account: Account
    root: Path
    port: int
    password: str
    settings: Mapping[str, str] = field(default_factory=dict)

    stop_signal = signal.SIGTERM

    @property
    def data(self) -> Path:
        """Where the append-only file is."""
        return self.root / "valkey"

    @property
    def url(self) -> str:
        """The address with the password in it. There is no valkey:// scheme in kombu."""
        return f"redis://:{quote(self.password)}@{LOOPBACK}:{self.port}/0"

    def prepare(self) -> None:
        """Write the configuration, in a private file because it carries the password."""
        settings = {
            "bind": LOOPBACK,
            "port": str(self.port),
            "requirepass": self.password,
            "dir": str(self.data),
            "appendonly": "yes",
            "save": '""',
            "maxmemory-policy": "noeviction",  # a broker that forgets a key forgets a task
            "daemonize": "no",
            "loglevel": "warning",
            **self.settings,
        }
        try:
            self.account.directory(self.data)
            self._config.touch(mode=0o600)
            self.account.own(self._config, 0o600)
            lines = (f"{name} {value}\n" for name, value in settings.items())
            self._config.write_text("".join(lines), encoding="utf-8")
        except OSError as error:
            raise from_os(error, "writing Valkey's configuration") from error

    def command(self) -> list[str]:
        """The command line; it shows no secret."""
        return [str(self.program.path), str(self._config)]

    def wait_ready(self, alive: Callable[[], bool], timeout: float = 60.0) -> None:
        """Return when it answers PING; raise if it ended or takes too long (a large file takes its time)."""
        deadline = time.monotonic() + timeout
        problem = ""
        # Without the client's own retries, whose pauses are longer than the whole start.
        client = redis.Redis.from_url(self.url, socket_connect_timeout=1, socket_timeout=2, retry=Retry(NoBackoff(), 0))
        try:
            while alive() and time.monotonic() < deadline:
                try:
                    client.ping()
                except redis.RedisError as error:
                    problem = str(error)
                    time.sleep(0.02)
                else:
                    return
        finally:
            client.close()
        why = f"it does not answer: {problem}" if alive() else "it ended by itself; its last lines are above"
        raise CannotStart(f"Valkey in {self.data} did not start ({why}).", process="valkey")

    @property
    def _config(self) -> Path:
        return self.data / "valkey.conf"
