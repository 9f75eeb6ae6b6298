"""Whatever ends a task, nothing that it started lives on."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import eventually, stays
from tests.unit.operators.fakes import Log, SoftLimit, context, run
from workflows.core.outcome import Done, Fail
from workflows.core.states import Reason
from workflows.operators import process, registry

LINUX_ONLY = pytest.mark.skipif(sys.platform != "linux", reason="subreapers are Linux's")
ROOT = Path(__file__).resolve().parents[3]

# A family: a child in the session, and some that left it: by setsid, deaf to SIGTERM, forked twice, unmarked.
FAMILY = """
mark() { echo $1 >> "$PIDS"; }
sleep 300 & mark $!
setsid sh -c 'echo $$ >> "$PIDS"; exec sleep 300' &
(setsid sh -c '(setsid sh -c "echo \\$\\$ >> \\$PIDS; trap : TERM; while :; do sleep 300; done" &) ; exit' &)
python3 -c '
import os, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
for fd in range(3): os.close(fd)
os.environ.clear()
with open("PIDFILE", "a") as f: f.write(f"{os.getpid()}\\n")
time.sleep(300)
'
mark $$
"""
WAIT = "while :; do sleep 300; done\n"


@pytest.fixture
def family(tmp_path):
    """The script, and what its pids are once all five are there."""
    path = tmp_path / "pids"

    def pids() -> list[int]:
        found = [int(line) for line in path.read_text().split()] if path.exists() else []
        return found if len(found) == 5 else []

    yield FAMILY.replace("PIDFILE", str(path)), {"PIDS": str(path)}, pids
    for pid in pids():
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


def alive(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def gone(pids: list[int]) -> bool:
    return not any(alive(pid) for pid in pids)


@LINUX_ONLY
def test_a_command_that_ends_takes_what_it_left_in_the_background_with_it(family):
    script, env, pids = family
    wait = 'while [ "$(wc -l < "$PIDS")" -lt 5 ]; do sleep 0.02; done\n'
    assert isinstance(run("shell", script=script + wait, env=env), Done)
    assert len(pids()) == 5
    assert gone(pids())


@LINUX_ONLY
def test_a_task_that_runs_out_of_time_is_gone_with_all_its_family(family):
    script, env, pids = family
    begun = time.monotonic()
    outcome = run("shell", timeout=1.0, script=script + WAIT, env=env)
    assert isinstance(outcome, Fail)
    assert outcome.reason is Reason.TIMED_OUT
    assert pids()
    assert gone(pids())
    assert time.monotonic() - begun < 1 + process.GRACE + 2


@LINUX_ONLY
def test_an_exception_in_the_middle_of_the_wait_kills_and_passes_through(family):
    """As the worker's soft time limit does."""
    script, env, pids = family

    def interrupt(*_):
        raise SoftLimit

    def when_ready():
        eventually(pids)
        signal.pthread_kill(main, signal.SIGUSR1)

    main = threading.main_thread().ident
    before = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=when_ready)
    try:
        thread.start()
        with pytest.raises(SoftLimit):
            run("shell", script=script + WAIT, env=env)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    assert gone(pids())


def test_a_command_is_asked_before_it_is_killed(tmp_path):
    log = Log()
    run("shell", timeout=0.5, script="trap 'echo bye; exit 0' TERM\nwhile :; do sleep 0.05; done", log=log)
    assert log.text("stdout") == "bye\n"


PARENT = """
import os, sys
import django
django.setup()
from tests.unit.operators.fakes import run
if os.fork() == 0:  # as a callable's own child would: it holds a copy of every pipe's end
    os.setsid()
    open(sys.argv[3], "w").write(str(os.getpid()))
    import signal; signal.pause()
run("shell", script=open(sys.argv[1]).read(), env={"PIDS": sys.argv[2]})
"""


@LINUX_ONLY
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_worker_leaves_no_descendant_and_no_scratch_directory(family, tmp_path, number):
    script, env, pids = family
    (tmp_path / "script").write_text(script + "pwd > $PIDS.cwd\n" + WAIT)
    helper = tmp_path / "helper"
    arguments = [str(tmp_path / "script"), env["PIDS"], str(helper)]
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "orchestrator.settings", "TMPDIR": str(tmp_path)}
    worker = subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments], cwd=ROOT, env=environment, start_new_session=True
    )
    try:
        eventually(pids, 30)
        eventually(lambda: Path(f"{env['PIDS']}.cwd").exists())
        scratch = Path(Path(f"{env['PIDS']}.cwd").read_text().strip()).parent
        assert scratch.exists()
        worker.send_signal(number)
        worker.wait()
        eventually(lambda: gone(pids()), 1.0)
        eventually(lambda: not scratch.exists(), 1.0)
    finally:
        os.kill(int(helper.read_text()), signal.SIGKILL)
        worker.kill()
        worker.wait()


@LINUX_ONLY
def test_the_command_dies_even_when_its_warden_is_killed(tmp_path):
    pids = tmp_path / "pids"
    found: list[Fail] = []
    script = f"echo $PPID $$ > {pids}.new\nsetsid sleep 300 &\necho $! >> {pids}.new\nmv {pids}.new {pids}\n{WAIT}"
    thread = threading.Thread(target=lambda: found.append(run("shell", script=script)))
    thread.start()
    eventually(pids.exists)
    warden, *others = (int(text) for text in pids.read_text().split())
    os.kill(warden, signal.SIGKILL)
    thread.join(5)
    assert found == [Fail(message="The command ended: killed by SIGKILL (signal 9)")]
    assert gone(others)


@LINUX_ONLY
def test_a_fork_bomb_ends_with_its_task():
    bomb = "import os\nfor _ in range(6): os.fork()\nwhile True:\n    if os.fork() == 0: os._exit(0)\n    os.wait()"
    before = len(psutil.pids())
    outcome = run("python", timeout=1.0, script=bomb)
    assert isinstance(outcome, Fail)
    assert outcome.reason is Reason.TIMED_OUT
    assert len(psutil.pids()) < before + 20


class Counting:
    """A log that only counts."""

    def __init__(self) -> None:
        self.size = 0
        self.largest = 0

    def write(self, text: str, *, stream: str = "stdout") -> None:
        self.size += len(text)
        self.largest = max(self.largest, len(text))


def test_a_flood_without_a_line_end_is_streamed_in_bounded_memory():
    size = 50_000_000
    log = Counting()
    before = peak_kib()
    outcome = run("shell", command=f"head -c {size} /dev/zero | tr '\\0' x", output="none", log=log)
    assert outcome == Done(output={"exit_code": 0})
    assert log.size == size
    assert log.largest <= process.READ_BYTES
    assert peak_kib() - before < 8_000
    outcome = run("shell", command=f"head -c {size} /dev/zero | tr '\\0' x", output="text", log=log)
    assert isinstance(outcome, Fail)
    assert outcome.reason is Reason.OUTPUT_TOO_LARGE
    assert peak_kib() - before < 8_000


def peak_kib() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_output_arrives_while_the_command_runs(tmp_path):
    log = Log()
    thread = threading.Thread(
        target=lambda: run("shell", command=f"echo one; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done", log=log)
    )
    thread.start()
    eventually(lambda: log.text() == "one\n")
    assert thread.is_alive()
    (tmp_path / "go").touch()
    thread.join(5)


def test_no_descriptor_is_left_open():
    run("shell", command="true")
    before = len(os.listdir("/proc/self/fd"))
    for command in ("true", "exit 1", "kill -9 $$"):
        run("shell", command=command)
    run("shell", command="sleep 300", timeout=0.1)
    assert len(os.listdir("/proc/self/fd")) == before


@LINUX_ONLY
def test_the_command_holds_none_of_our_descriptors_and_no_ignored_signal():
    source = "ls -l /proc/self/fd | grep -c -- '->'; grep -E 'Sig(Blk|Ign)' /proc/self/status"
    with open(os.devnull) as file:
        os.set_inheritable(file.fileno(), False)
        outcome = run("shell", command=source, output="text")
    assert isinstance(outcome, Done)
    count, blocked, ignored = outcome.output["text"].splitlines()
    assert int(count) == 4  # stdin, stdout, stderr, and the directory that ls reads
    of_the_c_library = 0b11 << 31  # signals 32 and 33: no program may set them, some shells leave them ignored
    masks = [int(line.split()[1], 16) & ~of_the_c_library for line in (blocked, ignored)]
    assert masks == [0, 0]


def test_an_empty_command_line_tool_starts_quickly():
    op, ctx = registry.get("shell"), context("shell", command="true")
    took = []
    for _ in range(10):
        begun = time.perf_counter()
        op.run(ctx)
        took.append(time.perf_counter() - begun)
    assert min(took) < 0.1


def test_a_log_that_fails_stops_the_command(tmp_path):
    class Full(Log):
        def write(self, text: str, *, stream: str = "stdout") -> None:
            raise OSError("the log is full")

    with pytest.raises(OSError, match="the log is full"):
        run("shell", command=f"echo $$ > {tmp_path}/pid; echo x; sleep 300", log=Full())
    assert gone([int((tmp_path / "pid").read_text())])
    stays(lambda: shutil.which("sh"), 0.05)
