"""One supervised process."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from orchestrator.standalone.console import Console
from orchestrator.standalone.guardian import Guardian, descendants, kill_tree, started_at

Alive = Callable[[], bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """What to run and how to stop it."""

    name: str
    command: list[str]
    env: Mapping[str, str] = field(default_factory=dict)
    popen: Mapping[str, Any] = field(default_factory=dict)
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 10.0
    server: bool = False
    prepare: Callable[[], object] | None = None  # before every start
    ready: Callable[[Alive], None] | None = None  # returns when it is up, raises when it will not be
    ready_text: str = ""  # a piece of the line that says that it is up
    inherit_output: bool = False  # write to our own terminal, not into the log


class Child:
    """A process of a Spec: started, read, restarted, stopped."""

    def __init__(self, spec: Spec, *, console: Console, guardian: Guardian) -> None:
        self.spec = spec
        self.failures = 0
        self.restart_at: float | None = None
        self.started = 0.0
        self.said_ready = threading.Event()
        self._console = console
        self._guardian = guardian
        self._process: subprocess.Popen[bytes] | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """The process id while it is not reaped."""
        return self._process.pid if self._process else None

    def alive(self) -> bool:
        """Whether it runs. Reaps it if it has ended."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process and a thread that reads it; does not wait until it is ready."""
        self.restart_at = None
        self.said_ready.clear()
        if self.spec.prepare:
            self.spec.prepare()
        self._process = subprocess.Popen(
            self.spec.command,
            env=os.environ | dict(self.spec.env),
            stdin=subprocess.DEVNULL,
            stdout=None if self.spec.inherit_output else subprocess.PIPE,
            stderr=None if self.spec.inherit_output else subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C in the terminal is ours to pass on, in order
            **self.spec.popen,
        )
        self.started = time.monotonic()
        self._guardian.watch(self._process.pid, stop_signal=self.spec.stop_signal, server=self.spec.server)
        if self._process.stdout:
            self._reader = threading.Thread(target=self._read, args=(self._process.stdout,), daemon=True)
            self._reader.start()

    def identity(self) -> dict[str, int | str | bool]:
        """What the state file keeps, so that a later start can tell this process from another with its id."""
        pid = self.pid or 0
        return {
            "pid": pid,
            "started": started_at(pid),
            "server": self.spec.server,
            "signal": int(self.spec.stop_signal),
        }

    def ask_to_stop(self) -> None:
        """Send the stop signal."""
        if self.alive() and self._process:
            self._process.send_signal(self.spec.stop_signal)

    def kill(self) -> None:
        """SIGKILL for it and everything below it, then reap."""
        if self._process is None:
            return
        kill_tree(self._process.pid, descendants(self._process.pid))
        self._process.wait()

    def reap(self) -> int:
        """After its end: clear away what is left of its group; the exit code, negative for a signal."""
        assert self._process is not None
        code = self._process.wait()
        kill_tree(self._process.pid, [])
        self._guardian.forget(self._process.pid)
        self._process = None
        if self._reader:
            self._reader.join(timeout=1)
        return code

    def _read(self, output: IO[bytes]) -> None:
        with output:
            for raw in output:
                text = raw.decode(errors="replace").rstrip()
                if self.spec.ready_text and self.spec.ready_text in text:
                    self.said_ready.set()
                self._console.line(self.spec.name, text)


def ending(code: int) -> str:
    """An exit code in words."""
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
