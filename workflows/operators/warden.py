"""The warden: a small process between a worker and a command, so that no descendant outlives the task.

Run as `python -I -S warden.py PARENT LIFELINE STATUS GRACE SCRATCH CWD COMMAND...`; imports nothing of ours,
so that it starts in milliseconds. It adopts every orphan below it (child subreaper), so that even a
descendant that called setsid and forked twice stays within reach. When the command ends, or the worker dies
(its end of LIFELINE closes, or its pid goes), or asks for a stop (one byte on LIFELINE), it kills all of them
and says on STATUS how the command ended:

    pid N | error TEXT | exit N | signal N

Elsewhere than on Linux there are no subreapers: the command's process group is killed, and no more.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

LINUX = sys.platform == "linux"
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
KILL_SECONDS = 5.0  # a process in uninterruptible sleep cannot be killed; do not wait for it for ever
TERMINATE, KILL = "terminate", "kill"


def prctl(option: int, value: int) -> None:
    """Set a process attribute; does nothing where there is no prctl."""
    if LINUX:
        import ctypes

        nothing = ctypes.c_ulong(0)
        ctypes.CDLL(None).prctl(option, ctypes.c_ulong(value), nothing, nothing, nothing)


class Warden:
    """Watches one command."""

    def __init__(self, parent: int, lifeline: int, status: int, grace: float) -> None:
        self.parent, self.lifeline, self.status, self.grace = parent, lifeline, status, grace
        self.child = 0
        self.ended: int | None = None  # the wait status of the command
        self.asked_to_stop = False
        self.parent_gone = False
        self.wakeup, self._wakeup_in = os.pipe()
        self.poll = select.poll()
        self.parent_handle = -1

    def prepare(self) -> None:
        """Become the adopter of orphans; watch for signals, the lifeline and the worker's death."""
        for fd in (self.lifeline, self.status):
            os.set_inheritable(fd, False)
        prctl(PR_SET_CHILD_SUBREAPER, 1)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        for fd in (self.wakeup, self._wakeup_in):
            os.set_blocking(fd, False)
        signal.set_wakeup_fd(self._wakeup_in, warn_on_full_buffer=False)
        if LINUX:
            # The lifeline alone is not enough: a process forked by the worker's child holds a
            # copy of its end.
            self.parent_handle = os.pidfd_open(self.parent)
            self.poll.register(self.parent_handle, select.POLLIN)
        self.poll.register(self.lifeline, select.POLLIN)
        self.poll.register(self.wakeup, select.POLLIN)

    def _on_terminate(self, *_: object) -> None:
        self.asked_to_stop = True

    def start(self, command: list[str], cwd: str) -> None:
        """Start the command in a session of its own."""
        warden = os.getpid()
        self.child = os.fork()
        if self.child == 0:
            become(command, cwd, warden, self.status)
        self.say(f"pid {self.child}")
        nothing = os.open(os.devnull, os.O_RDWR)
        for fd in (0, 1, 2):  # or the readers of the command's output would wait for us
            os.dup2(nothing, fd)

    def say(self, text: str) -> None:
        """Write one line to the worker, which may be gone."""
        try:
            os.write(self.status, text.encode("utf-8", "replace") + b"\n")
        except OSError:
            self.parent_gone = True

    def reap(self) -> bool:
        """Collect the dead; whether any child is left."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return False
            if pid == 0:
                return True
            if pid == self.child:
                self.ended = status

    def watch(self) -> None:
        """Return when the command has ended or must end now."""
        deadline: float | None = None
        while True:
            self.reap()
            if self.ended is not None:
                return
            if self.asked_to_stop and deadline is None:
                deadline = time.monotonic() + self.grace
                signal_group(self.child, signal.SIGTERM)
            if deadline is not None and time.monotonic() >= deadline:
                return
            if os.getppid() != self.parent:
                return
            wait = 500.0 if deadline is None else max(1.0, (deadline - time.monotonic()) * 1000)
            events = {fd for fd, _ in self.poll.poll(None if LINUX and deadline is None else wait)}
            if self.parent_handle in events or (self.lifeline in events and not self._hear()):
                return
            if self.wakeup in events:
                os.read(self.wakeup, 4096)

    def _hear(self) -> bool:
        """Read the lifeline; False when its other end is closed."""
        heard = os.read(self.lifeline, 16)
        self.asked_to_stop = self.asked_to_stop or bool(heard)
        return bool(heard)

    def kill_all(self) -> None:
        """Kill every descendant, until none is left."""
        until = time.monotonic() + KILL_SECONDS
        if self.ended is None or not LINUX:
            signal_group(self.child, signal.SIGKILL)
        frozen: set[int] = set()
        while self.reap() and time.monotonic() < until:
            found = set(descendants(os.getpid()))
            fresh = found - frozen
            for pid in fresh:  # freeze first, so that a fork bomb cannot outrun us
                signal_one(pid, signal.SIGSTOP)
            frozen |= fresh
            if not fresh:
                for pid in found:
                    signal_one(pid, signal.SIGKILL)
                select.select([self.wakeup], [], [], 0.005)
                drain(self.wakeup)

    def report(self) -> None:
        """Say how the command ended."""
        if self.ended is None:
            self.say("signal 9")
        elif os.WIFSIGNALED(self.ended):
            self.say(f"signal {os.WTERMSIG(self.ended)}")
        else:
            self.say(f"exit {os.WEXITSTATUS(self.ended)}")


def become(command: list[str], cwd: str, warden: int, status: int) -> None:
    """Turn this forked process into the command; never returns."""
    try:
        os.setsid()
        prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != warden:
            os._exit(127)
        signal.set_wakeup_fd(-1)
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            try:
                signal.signal(number, signal.SIG_DFL)
            except (OSError, ValueError):
                continue  # a signal the C library keeps for itself
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        prefer_for_oom()
        if cwd:
            os.chdir(cwd)
        os.execvpe(command[0], command, os.environ)  # noqa: S606
    except BaseException as error:
        text = " ".join(str(error).split()) or type(error).__name__
        os.write(status, f"error {text}\n".encode("utf-8", "replace"))
    os._exit(127)


def prefer_for_oom() -> None:
    """When memory runs out, let the kernel take the task and not the worker."""
    if not LINUX:
        return
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")
    except OSError:
        return  # not permitted in some sandboxes; a preference only


def descendants(root: int) -> list[int]:
    """The pids of all below `root`, zombies too: a dead leader may have living threads and children."""
    below: dict[int, list[int]] = {}
    if not os.path.isdir("/proc/self"):
        return []
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                parent = int(file.read().rpartition(b")")[2].split()[1])
        except (OSError, IndexError):
            continue  # it ended while we looked
        below.setdefault(parent, []).append(int(name))
    found, todo = [], [root]
    while todo:
        children = below.get(todo.pop(), [])
        found += children
        todo += children
    return found


def signal_one(pid: int, number: int) -> None:
    """Send a signal to a process that may have ended."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


def signal_group(leader: int, number: int) -> None:
    """Send a signal to the process group of a session leader that may have ended, or not begun."""
    try:
        os.killpg(leader, number)
    except (ProcessLookupError, PermissionError):
        signal_one(leader, number)


def drain(fd: int) -> None:
    """Empty a non-blocking pipe."""
    try:
        os.read(fd, 4096)
    except BlockingIOError:
        return


def main(argv: list[str]) -> int:
    """Watch one command from its start to its end."""
    parent, lifeline, status = (int(text) for text in argv[1:4])
    grace, scratch, cwd, command = float(argv[4]), argv[5], argv[6], argv[7:]
    warden = Warden(parent, lifeline, status, grace)
    try:
        warden.prepare()
    except ProcessLookupError:
        return 1  # the worker was gone before we looked
    warden.start(command, cwd)
    warden.watch()
    warden.kill_all()
    warden.report()
    if scratch and warden.parent_gone:
        import shutil

        shutil.rmtree(scratch, ignore_errors=True)
    return 0


if __name__ == "__main__":
    os._exit(main(sys.argv))
