"""Where Celeriac's time goes: py-spy on a pool child and on the worker's main process, pg_stat_statements."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg

from tests.benchmarks.measure import Bench
from tests.benchmarks.systems.base import System
from tests.benchmarks.workloads import Workload

SECONDS = 10
RATE = 250
TOP = 30
MOST = 0.9
IDLE = ("Connection._recv (billiard", "_epoll.poll (kombu", "Condition.wait (threading")
STATEMENTS = """
SELECT calls, total_exec_time + total_plan_time AS total, (total_exec_time + total_plan_time) / calls AS mean,
       rows, wal_bytes / calls AS wal, regexp_replace(query, '\\s+', ' ', 'g') AS query
FROM pg_stat_statements JOIN pg_database ON pg_database.oid = dbid
WHERE datname = current_database() ORDER BY total DESC LIMIT 12
"""


@dataclass(frozen=True, kw_only=True)
class Stacks:
    """Folded stacks of one process: 'outer;inner' and how often it was seen."""

    title: str
    path: Path
    counts: tuple[tuple[tuple[str, ...], int], ...]

    @property
    def samples(self) -> int:
        """All of them."""
        return sum(count for _, count in self.counts)

    def busy(self) -> Stacks:
        """Without the samples in which it waited for work."""
        counts = tuple((frames, n) for frames, n in self.counts if not any(i in frames[-1] for i in IDLE))
        return Stacks(title=self.title, path=self.path, counts=counts)

    def own(self) -> Counter[str]:
        """Samples by the function on top."""
        found: Counter[str] = Counter()
        for frames, count in self.counts:
            found[frames[-1]] += count
        return found

    def total(self) -> Counter[str]:
        """Samples by every function on the stack, once each."""
        found: Counter[str] = Counter()
        for frames, count in self.counts:
            for frame in set(frames):
                found[frame] += count
        return found


def _record(pid: int, path: Path) -> subprocess.Popen[bytes]:
    spy = Path(sys.executable).with_name("py-spy")
    # GIL-less time counts too: a child that waits for PostgreSQL is what is looked for.
    command = [spy, "record", "--pid", str(pid), "--format", "raw", "--output", path, "--function"]
    command += ["--rate", str(RATE), "--duration", str(SECONDS), "--idle", "--nonblocking"]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def _read(title: str, path: Path) -> Stacks:
    counts = []
    for line in path.read_text(encoding="utf-8").splitlines():
        stack, _, count = line.rpartition(" ")
        counts.append((tuple(stack.split(";")), int(count)))
    return Stacks(title=title, path=path, counts=tuple(counts))


def _shown(stacks: Stacks) -> str:
    busy = stacks.busy()
    share = busy.samples / max(1, stacks.samples)
    lines = [f"{stacks.title}: busy in {share:.0%} of {stacks.samples} samples ({stacks.path})"]
    for heading, found in (("own", busy.own()), ("with what it calls", busy.total())):
        lines.append(f"  % of the busy samples, {heading}")
        # What is on nearly every stack (main, the event loop) says nothing.
        telling = [(frame, count) for frame, count in found.most_common() if count < MOST * busy.samples]
        lines += [f"  {100 * count / busy.samples:5.1f}  {frame}" for frame, count in telling[:TOP]]
    return "\n".join(lines)


def _statements(database_url: str) -> str:
    with psycopg.connect(database_url, autocommit=True) as connection:
        rows = connection.execute(STATEMENTS).fetchall()
    lines = ["PostgreSQL, by total time:", "    calls  total ms  mean ms    rows  WAL B/call  statement"]
    for calls, total, mean, count, wal, query in rows:
        lines.append(f"  {calls:7d} {total:9.0f} {mean:8.3f} {count:7d} {wal:11.0f}  {query[:200]}")
    return "\n".join(lines)


def profile(bench: Bench, system: System, chosen: Sequence[Workload], database_url: str) -> Path:
    """Run the workloads for SECONDS under the profilers, print what they saw; the stacks' directory."""
    directory = Path(tempfile.mkdtemp(prefix="celeriac-profile-"))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION IF NOT EXISTS pg_stat_statements")
        connection.execute("SELECT pg_stat_statements_reset()")
    main = bench.workers[system.name].pids[0]
    child = next(p.pid for p in psutil.Process(main).children() if p.status() != psutil.STATUS_ZOMBIE)
    recorded = {
        "a pool child": (child, directory / "child.txt"),
        "the worker's main": (main, directory / "main.txt"),
    }
    spies = [_record(pid, path) for pid, path in recorded.values()]
    until, tasks = time.monotonic() + SECONDS, 0
    while time.monotonic() < until:
        for workload in chosen:
            tasks += bench.run(system, workload).tasks
    for spy in spies:
        _, complaint = spy.communicate(timeout=60)
        if spy.returncode:
            print(f"py-spy: {complaint.decode(errors='replace').strip()[-500:]}", file=sys.stderr)
    print(f"{tasks} tasks under the profilers\n")
    for title, (_, path) in recorded.items():
        if path.exists():
            print(_shown(_read(title, path)) + "\n")
    print(_statements(database_url))
    return directory
