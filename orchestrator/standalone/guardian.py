"""A process of its own that outlives a killed supervisor just long enough to leave nothing behind.

It holds the read end of a pipe whose write end only the supervisor has. Lines on the pipe say which children
exist; at its end, orderly or not, the guardian stops what is left. The file is both the client and, run
as a script, the guardian; as a script it needs the standard library only.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

APP_GRACE = 2.0  # for workers and web: what they lose is rescued from PostgreSQL by the next start
SERVER_GRACE = 10.0  # for PostgreSQL and Valkey: a clean shutdown matters more than speed


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A child that the guardian would stop: its signal, and whether it is a server that must go last."""

    pid: int
    signal: int
    server: bool


class Guardian:
    """The supervisor's end of the pipe."""

    def __init__(self, *, keep_fds: tuple[int, ...] = ()) -> None:
        """`keep_fds` stay open in the guardian: a lock among them is held until the last child is gone."""
        self._keep_fds = keep_fds
        self._wards: dict[int, Ward] = {}
        self._start()

    def _start(self) -> None:
        read_end, self._write_end = os.pipe()
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", str(Path(__file__).resolve()), str(read_end)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(read_end, *self._keep_fds),
            start_new_session=True,
            cwd="/",
        )
        os.close(read_end)

    def watch(self, pid: int, *, stop_signal: int, server: bool) -> None:
        """Put a child, the leader of its own session, under guard."""
        self._wards[pid] = Ward(pid=pid, signal=stop_signal, server=server)
        self._tell({"watch": pid, "signal": stop_signal, "server": server})

    def forget(self, pid: int) -> None:
        """The child has ended and was reaped."""
        if self._wards.pop(pid, None):
            self._tell({"forget": pid})

    def close(self) -> None:
        """End the guardian; whatever is still watched is stopped by it."""
        os.close(self._write_end)
        self.process.wait(timeout=APP_GRACE + SERVER_GRACE + 5)

    def _tell(self, line: dict[str, int | bool]) -> None:
        try:
            self._write(line)
        except BrokenPipeError:  # somebody killed the guardian: a new one learns everything again
            os.close(self._write_end)
            self.process.wait()
            self._start()
            for ward in self._wards.values():
                self._write({"watch": ward.pid, "signal": ward.signal, "server": ward.server})

    def _write(self, line: dict[str, int | bool]) -> None:
        os.write(self._write_end, json.dumps(line).encode() + b"\n")


def started_at(pid: int) -> str:
    """When the process started, in kernel ticks: tells it from a later one with its id; "" if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self/stat").exists() or not _exists(pid) else "unknown"
    return "" if fields[0] in "ZX" else fields[19]


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def descendants(pid: int) -> list[int]:
    """Every living process below `pid`, also those in sessions of their own (Linux; elsewhere none)."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError, ValueError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found: list[int] = []
    queue = [pid]
    while queue:
        below = children.get(queue.pop(), [])
        found += below
        queue += below
    return found


def kill_tree(pid: int, below: list[int]) -> None:
    """SIGKILL the process's group and every process of `below`."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for child in below:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(child, signal.SIGKILL)


def _alive(wards: dict[int, str]) -> bool:
    return any(started and started_at(pid) == started for pid, started in wards.items())


def _stop(wards: list[tuple[Ward, str]], grace: float) -> None:
    """Ask each with its own signal, wait, then kill what is left with everything below it."""
    living = {ward.pid: started for ward, started in wards if started and started_at(ward.pid) == started}
    below = {pid: {child: started_at(child) for child in descendants(pid)} for pid in living}
    for ward, _ in wards:
        if ward.pid in living:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(ward.pid, ward.signal)
    deadline = time.monotonic() + grace
    while _alive(living) and time.monotonic() < deadline:
        time.sleep(0.02)
    for ward, _ in wards:
        # A group outlives its leader, and the leader's id is not given away while it does.
        if ward.pid in living or not started_at(ward.pid):
            known = below.get(ward.pid, {})
            kill_tree(ward.pid, [child for child, started in known.items() if started_at(child) == started])


def main(read_end: int) -> None:
    """Listen until the pipe ends, then stop what is still watched: applications first, servers last."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    wards: dict[int, tuple[Ward, str]] = {}
    with os.fdopen(read_end, "rb") as pipe:
        for line in pipe:
            word = json.loads(line)
            if "forget" in word:
                wards.pop(word["forget"], None)
            else:
                pid = word["watch"]
                wards[pid] = (Ward(pid=pid, signal=word["signal"], server=word["server"]), started_at(pid))
    _stop([pair for pair in wards.values() if not pair[0].server], APP_GRACE)
    _stop([pair for pair in wards.values() if pair[0].server], SERVER_GRACE)


if __name__ == "__main__":
    main(int(sys.argv[1]))
