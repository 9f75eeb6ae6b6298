"""Run a command under the warden and stream what it writes; no descendant outlives the task."""

from __future__ import annotations

import codecs
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import IO
from uuid import uuid4

WARDEN = Path(__file__).with_name("warden.py")
MARK = "CELERIAC_PROCESS"  # in the environment of every descendant; found again if the warden itself is killed
GRACE = 2.0  # seconds between SIGTERM and SIGKILL when a task is stopped
READ_BYTES = 65_536
ARGUMENT_MAX_BYTES = 131_071  # Linux takes no longer single argument or environment entry (MAX_ARG_STRLEN)

OnText = Callable[[str, str], None]  # (text, stream)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a command ended: by a code, by a signal, by not having started (`error`), or for want of time."""

    code: int | None = None
    signal: int | None = None
    error: str = ""
    timed_out: bool = False

    def __str__(self) -> str:
        if self.error:
            return f"could not be started: {self.error}"
        if self.signal is not None:
            return f"killed by {signal_name(self.signal)} (signal {self.signal})"
        if self.code is not None and 128 < self.code <= 128 + 64:
            return f"exit code {self.code} (128 + {self.code - 128}: {signal_name(self.code - 128)})"
        return f"exit code {self.code}"


def signal_name(number: int) -> str:
    """SIGKILL for 9, and so on."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: str = "",
    scratch: str = "",
    timeout: float | None = None,
    on_text: OnText,
    grace: float = GRACE,
) -> Ended:
    """Run `argv` to its end, with exactly this environment; never returns while a descendant lives.

    `scratch` is a directory that the warden removes if this process is killed meanwhile. `timeout` is in
    seconds. Any exception raised in here, a soft time limit above all, first stops the command (SIGTERM,
    `grace` seconds, SIGKILL).
    """
    problem = _too_long(argv, env)
    if problem:
        return Ended(error=problem)
    with ExitStack() as stack:
        watched = _Watched(stack, argv, env=env, cwd=cwd, scratch=scratch, grace=grace, on_text=on_text)
        try:
            timed_out = not watched.pump(timeout)
        except BaseException:
            watched.stop(grace)
            raise
        if timed_out:
            watched.stop(grace)
        return watched.ended(timed_out=timed_out)


def _too_long(argv: Sequence[str], env: Mapping[str, str]) -> str:
    for name, value in env.items():
        if len(os.fsencode(f"{name}={value}")) > ARGUMENT_MAX_BYTES:
            return f"the variable {name} is longer than the system takes ({ARGUMENT_MAX_BYTES} bytes)"
        if "\0" in value:
            return f"the environment variable {name} has a NUL character in it"
    for text in argv:
        if "\0" in text:
            return "the command has a NUL character in it"
        if len(os.fsencode(text)) > ARGUMENT_MAX_BYTES:
            return f"an argument is longer than the system takes ({ARGUMENT_MAX_BYTES} bytes)"
    return ""


class _Watched:
    """One command and its warden, as seen from the worker."""

    def __init__(
        self,
        stack: ExitStack,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: str,
        scratch: str,
        grace: float,
        on_text: OnText,
    ) -> None:
        self.mark = uuid4().hex
        self.on_text = on_text
        self.told = b""
        # File objects, not numbers: an exception at any point closes them, and a closed lifeline
        # kills the command.
        lifeline_out, self.lifeline = _pipe(stack)
        self.status, status_in = _pipe(stack)
        warden = [sys.executable, "-I", "-S", str(WARDEN), str(os.getpid())]
        warden += [str(lifeline_out.fileno()), str(status_in.fileno()), str(grace), scratch, cwd]
        self.process = stack.enter_context(
            subprocess.Popen(
                [*warden, *argv],
                env={**env, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=(lifeline_out.fileno(), status_in.fileno()),
                start_new_session=True,  # a signal to the worker's group must not take the warden first
                bufsize=0,
            )
        )
        stack.callback(self._leave)
        lifeline_out.close()
        status_in.close()
        self.selector = stack.enter_context(selectors.DefaultSelector())
        self._decoders = {name: codecs.getincrementaldecoder("utf-8")("replace") for name in ("stdout", "stderr")}
        for name, pipe in (
            ("stdout", self.process.stdout),
            ("stderr", self.process.stderr),
            ("status", self.status),
        ):
            if pipe is not None:
                self.selector.register(pipe, selectors.EVENT_READ, name)

    def pump(self, timeout: float | None) -> bool:
        """Pass on what the command writes until it has ended; False when the time is over first."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while self.selector.get_map():
            wait = None if deadline is None else deadline - time.monotonic()
            if wait is not None and wait <= 0:
                return False
            for key, _ in self.selector.select(wait):
                chunk = os.read(key.fd, READ_BYTES)
                if not chunk:
                    self.selector.unregister(key.fileobj)
                self._take(key.data, chunk)
            if "status" not in {key.data for key in self.selector.get_map().values()}:
                self._drain()
        return True

    def _drain(self) -> None:
        """Take what is left in the pipes once the warden has gone, even if another holds their far end."""
        for key in list(self.selector.get_map().values()):
            os.set_blocking(key.fd, False)
            try:
                while chunk := os.read(key.fd, READ_BYTES):
                    self._take(key.data, chunk)
            except BlockingIOError:
                self._take(key.data, b"")
            self.selector.unregister(key.fileobj)

    def _take(self, stream: str, chunk: bytes) -> None:
        if stream == "status":
            self.told += chunk
            return
        text = self._decoders[stream].decode(chunk, final=not chunk)
        if text:
            self.on_text(text, stream)

    def stop(self, grace: float) -> None:
        """Ask the command to end, give it `grace` seconds, then have everything killed."""
        try:
            self.lifeline.write(b"T")
        except OSError:
            return  # the warden has gone already
        self.pump(grace + 1)

    def _leave(self) -> None:
        """Close the lifeline, on which the warden kills what is left, and see that it did."""
        self.lifeline.close()
        self.process.wait()
        if self.process.returncode != 0:
            kill_marked(self.mark)

    def ended(self, *, timed_out: bool) -> Ended:
        """What the warden said of the end."""
        words = [line.split(" ", 1) for line in self.told.decode("utf-8", "replace").splitlines()]
        facts = {word[0]: word[1] for word in words if len(word) == 2}
        if "error" in facts:
            return Ended(error=facts["error"])
        if "exit" in facts:
            return Ended(code=int(facts["exit"]), timed_out=timed_out)
        # Without a last word the warden itself was killed, and its command with it.
        return Ended(signal=int(facts.get("signal", signal.SIGKILL)), timed_out=timed_out)


def _pipe(stack: ExitStack) -> tuple[IO[bytes], IO[bytes]]:
    out, into = os.pipe()
    return (
        stack.enter_context(closing(os.fdopen(out, "rb", buffering=0))),
        stack.enter_context(closing(os.fdopen(into, "wb", buffering=0))),
    )


def kill_marked(mark: str) -> None:
    """Kill every process with the mark in its environment: how to find them when their warden is dead."""
    wanted = f"{MARK}={mark}".encode()
    until = time.monotonic() + GRACE
    while time.monotonic() < until:
        found = [pid for pid in _pids() if wanted in _environment(pid)]
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except (ProcessLookupError, PermissionError):
                continue
        if not found:
            return


def _pids() -> list[int]:
    if not os.path.isdir("/proc/self"):
        return []
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
