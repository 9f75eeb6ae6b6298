"""The home directory: one lock, one private state file with addresses, secrets and process ids."""

from __future__ import annotations

import fcntl
import json
import os
import time
from pathlib import Path
from typing import Any

from orchestrator.standalone.errors import CannotStart, from_os
from orchestrator.standalone.guardian import started_at

_LAST_LIFE_SECONDS = 20.0  # what a guardian needs at most to stop the children of a killed supervisor


class Home:
    """The directory of one standalone, locked by this process (and by its guardian) until it ends."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lock = -1
        self.state: dict[str, Any] = {}

    def open(self) -> None:
        """Make the directory, take its lock and read the state of last time."""
        try:
            if not self.path.exists():
                self.path.mkdir(parents=True)
                # Started by root, the servers' user passes through. A directory that was there keeps its mode.
                self.path.chmod(0o700 if os.geteuid() else 0o711)
            self.lock = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise from_os(error, f"opening the home {self.path}") from error
        self._take_lock()
        self.state = self._read()

    def write(self, **changes: Any) -> None:
        """Change entries of the state file, as a whole or not at all; None removes one."""
        self.state = {name: value for name, value in (self.state | changes).items() if value is not None}
        fresh = self.path / "state.json.new"
        try:
            fresh.touch(mode=0o600)
            fresh.write_text(json.dumps(self.state, indent=2) + "\n", encoding="utf-8")
            fresh.replace(self.path / "state.json")
        except OSError as error:
            raise from_os(error, "writing the state file") from error

    def _take_lock(self) -> None:
        deadline = time.monotonic() + _LAST_LIFE_SECONDS
        while True:
            try:
                fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                running = self._read().get("running") or {}
                pid = running.get("pid")
                # A killed supervisor's guardian keeps the lock for the few seconds that it needs to tidy up.
                if pid and not started_at(pid) and time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
                raise CannotStart(self._already_running(pid, running.get("url"))) from None
            return

    def _already_running(self, pid: int | None, url: str | None) -> str:
        who = f"process {pid}" if pid else "a process that is still starting"
        where = f", {url}" if url else ""
        stop = f"`kill {pid}`" if pid else "Ctrl-C in its terminal"
        return (
            f"Celeriac is already running in {self.path} ({who}{where}): use that one, stop it with {stop}, "
            "or set CELERIAC_HOME to another directory for a second one."
        )

    def _read(self) -> dict[str, Any]:
        file = self.path / "state.json"
        try:
            state: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise from_os(error, "reading the state file") from error
        except ValueError:
            raise CannotStart(
                f"{file} is not JSON any more, and it holds the database's password: put back a good copy, "
                f"or move {self.path} away to start with an empty database."
            ) from None
        return state
