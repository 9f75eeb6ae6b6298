"""Starts the processes in order, restarts those that crash, stops all in order."""

from __future__ import annotations

import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from types import FrameType

from orchestrator.standalone.child import Child, Spec, ending
from orchestrator.standalone.console import Console
from orchestrator.standalone.errors import CannotStart
from orchestrator.standalone.guardian import Guardian

READY_SECONDS = 90.0
MAX_FAILURES = 5  # in a row
SETTLED_SECONDS = 30.0  # having run this long, a process's earlier crashes are forgotten
_FIRST_BACKOFF, _LONGEST_BACKOFF = 0.5, 30.0


class StopRequested(Exception):
    """A signal asked for the end while something was being waited for."""


def did_not_start(process: str) -> CannotStart:
    """The refusal for a process that ended, or said nothing, instead of becoming ready."""
    return CannotStart(f"The {process} process did not start: its last lines say why.", process=process)


class GaveUp(CannotStart):
    """A process crashed again and again."""


class Supervisor:
    """Holds the children. Not for several threads: everything happens in the caller's."""

    def __init__(self, *, console: Console, guardian: Guardian, changed: Callable[[], None] = lambda: None) -> None:
        """`changed` is called after every start of a process."""
        self.console = console
        self.children: dict[str, Child] = {}
        self._guardian = guardian
        self._changed = changed
        self._signals = 0
        self._wake_read, self._wake_write = os.pipe()
        for end in (self._wake_read, self._wake_write):
            os.set_blocking(end, False)

    def listen(self) -> None:
        """Take over the signals: one asks for an orderly stop, a second one for a quick one."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(name, self._on_signal)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)  # only to wake the loop

    @property
    def stop_requested(self) -> bool:
        """Whether a signal has asked for the end."""
        return self._signals > 0

    def start(self, spec: Spec, *, wait: bool = True) -> Child:
        """Start a process and, unless told not to, return when it is ready."""
        child = Child(spec, console=self.console, guardian=self._guardian)
        self.children[spec.name] = child
        child.start()
        self._changed()
        if wait:
            self.wait_ready(child)
        return child

    def wait_ready(self, child: Child) -> None:
        """Return when the process is up; raise CannotStart when it has ended or takes too long."""
        if child.spec.ready:
            child.spec.ready(lambda: self._still_starting(child))
        if child.spec.ready_text:
            deadline = time.monotonic() + READY_SECONDS
            while not child.said_ready.is_set():
                if not self._still_starting(child) or time.monotonic() > deadline:
                    raise did_not_start(child.spec.name)
                self.pause(0.05)

    def run_to_end(self, spec: Spec) -> int:
        """Run a process that is to end by itself; its exit code. The others are watched meanwhile."""
        child = Child(spec, console=self.console, guardian=self._guardian)
        child.start()
        try:
            while child.alive():
                self.pause(0.2)
                if self.stop_requested:
                    raise StopRequested
                self.tend()
        finally:
            if child.alive():
                child.ask_to_stop()
                self._await_end([child], time.monotonic() + spec.stop_seconds)
                child.kill()
            code = child.reap()
        return code

    def run(self) -> None:
        """Tend the processes until a signal asks for the end."""
        while not self.stop_requested:
            self.tend()
            self.pause(0.5)

    def tend(self) -> None:
        """Look at every process once: note the crashed, restart those whose time has come."""
        for child in self.children.values():
            if child.restart_at is not None:
                if time.monotonic() >= child.restart_at:
                    self._restart(child)
            elif not child.alive():
                self._crashed(child)
            elif child.failures and time.monotonic() - child.started > SETTLED_SECONDS:
                child.failures = 0

    def stop(self, stages: Sequence[Sequence[str]]) -> None:
        """Stop the named processes stage by stage, and whatever is not named at the end."""
        named = {name for stage in stages for name in stage}
        rest = [name for name in self.children if name not in named]
        asked = self._signals
        for stage in (*stages, rest):
            self._stop_stage([self.children[name] for name in stage if name in self.children], asked)
        self.children.clear()

    def pause(self, seconds: float) -> None:
        """Wait, but not past a signal or the end of a child."""
        if select.select([self._wake_read], [], [], seconds)[0]:
            os.read(self._wake_read, 512)

    def _stop_stage(self, stage: list[Child], asked: int) -> None:
        running = [child for child in stage if child.pid]
        for child in running:
            self.console.say(f"stopping {child.spec.name}")
            child.ask_to_stop()
        deadline = time.monotonic() + max((child.spec.stop_seconds for child in running), default=0)
        self._await_end(running, deadline, asked)
        for child in running:
            if child.alive() and not child.spec.server:
                self.console.say(f"{child.spec.name} does not stop: killing it")
            if child.alive():
                child.kill()
            code = child.reap()
            usual = code in (0, -child.spec.stop_signal)
            self.console.say(f"{child.spec.name} stopped" + ("" if usual else f" ({ending(code)})"))

    def _await_end(self, children: list[Child], deadline: float, asked: int | None = None) -> None:
        """Until all have ended, the time is over, or (servers excepted) another signal came meanwhile."""
        hurried = asked is not None and all(not child.spec.server for child in children)
        while any(child.alive() for child in children) and time.monotonic() < deadline:
            if hurried and asked is not None and self._signals > max(asked, 1):
                return
            self.pause(0.1)

    def _crashed(self, child: Child) -> None:
        code = child.reap()
        child.failures += 1
        if child.failures > MAX_FAILURES:
            raise GaveUp(
                f"The {child.spec.name} ended {child.failures} times in a row ({ending(code)}): "
                "its last lines say why; everything is being stopped.",
                process=child.spec.name,
            )
        delay = min(_FIRST_BACKOFF * 2 ** (child.failures - 1), _LONGEST_BACKOFF)
        child.restart_at = time.monotonic() + delay
        self.console.say(f"{child.spec.name} ended ({ending(code)}): starting it again in {delay:g} s")

    def _restart(self, child: Child) -> None:
        child.start()
        self._changed()
        if child.spec.server and child.spec.ready:
            child.spec.ready(lambda: self._still_starting(child))

    def _still_starting(self, child: Child) -> bool:
        if self.stop_requested:
            raise StopRequested
        return child.alive()

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
