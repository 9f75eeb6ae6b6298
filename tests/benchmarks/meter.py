"""What a measurement costs: CPU of the processes that took part, bytes into the broker."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis
from redis.commands.core import ListCommands

WEIGH = "CELERIAC_BENCH_WEIGH"  # the file to which processes under the scales append the size of each message


def _own(process: psutil.Process) -> float:
    """CPU seconds of one process: the kernel's own clock where there is one, since psutil counts in 10 ms."""
    if hasattr(time, "clock_gettime"):
        with contextlib.suppress(OSError):
            return time.clock_gettime((~process.pid) << 3 | 2)  # CPUCLOCK_SCHED of another process, as in glibc
    times = process.cpu_times()
    return times.user + times.system


def _with_reaped(process: psutil.Process) -> float:
    """CPU of a process and of those children of it that have ended."""
    times = process.cpu_times()
    return _own(process) + getattr(times, "children_user", 0.0) + getattr(times, "children_system", 0.0)


def cpu_seconds(pid: int) -> tuple[float, float]:
    """CPU used until now by a process, and by its living descendants."""
    root, below = psutil.Process(pid), 0.0
    for process in root.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            below += _with_reaped(process)
    return _with_reaped(root), below


def busy_seconds() -> float:
    """CPU seconds that the machine has spent on anything until now."""
    times = psutil.cpu_times()
    return float(sum(times[:3]) + getattr(times, "irq", 0) + getattr(times, "softirq", 0) + getattr(times, "steal", 0))


def broker_bytes(client: redis.Redis) -> int:
    """Bytes that the broker received from anyone until now."""
    stats: dict[str, Any] = client.info("stats")
    return int(stats["total_net_input_bytes"])


@dataclass(frozen=True)
class Scales:
    """Sizes of the messages that were put into the broker while it was open."""

    path: Path

    def clear(self) -> None:
        """Forget them."""
        os.truncate(self.path, 0)

    def sizes(self) -> list[int]:
        """In bytes, as the broker holds them."""
        return [int(line) for line in self.path.read_text().split()]


def install_scales() -> Callable[[], None]:
    """Count every LPUSH of this process, pipelined or not; a function that takes the scales off again."""
    sink = os.open(os.environ[WEIGH], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    plain = ListCommands.lpush

    def lpush(self: Any, name: Any, *values: Any) -> Any:
        lines = "".join(f"{len(v if isinstance(v, bytes) else str(v).encode())}\n" for v in values)
        os.write(sink, lines.encode())
        return plain(self, name, *values)

    ListCommands.lpush = lpush  # type: ignore[method-assign]

    def remove() -> None:
        ListCommands.lpush = plain  # type: ignore[method-assign]
        os.close(sink)

    return remove


@contextlib.contextmanager
def weighing(path: Path) -> Iterator[Scales]:
    """Weigh what this process and the workers that are started meanwhile publish."""
    path.touch(mode=0o666)
    os.environ[WEIGH] = str(path)
    remove = install_scales()
    try:
        yield Scales(path)
    finally:
        remove()
        del os.environ[WEIGH]
