"""Driving `manage.py standalone` from a test, as a person at a terminal would."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

from orchestrator.standalone import ports
from orchestrator.standalone.account import server_account
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
READY_SECONDS = 60


class StandaloneProcess:
    """One life of a standalone in a home of its own."""

    def __init__(self, home: Path, *arguments: str, python: Mapping[str, str] | None = None, **popen: Any) -> None:
        """`python`: more environment; PYTHON in it is another interpreter (see `shared_python`)."""
        self.home = home
        self.port, self.flower_port = ports.choose(), ports.choose()
        self.output_path = Path(tempfile.mkdtemp(prefix="celeriac-output-")) / "output"
        chosen = [*arguments] or ["--port", str(self.port), "--flower-port", str(self.flower_port)]
        self.env = clean_environment(home) | dict(python or {})
        with self.output_path.open("wb") as output:
            self.popen = subprocess.Popen(
                [self.env.get("PYTHON", sys.executable), str(ROOT / "manage.py"), "standalone", *chosen],
                cwd=ROOT,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **popen,
            )

    @property
    def output(self) -> str:
        """Everything that it has written."""
        return self.output_path.read_text(errors="replace")

    @property
    def state(self) -> dict[str, Any]:
        """The state file."""
        state: dict[str, Any] = json.loads((self.home / "state.json").read_text())
        return state

    def wait_ready(self) -> None:
        """Return when it says that all is up."""
        self.wait_for("| ready after ")

    def wait_for(self, text: str, timeout: float = READY_SECONDS) -> None:
        """Return when the text was written."""
        eventually(lambda: text in self.output or self.popen.poll() is not None, timeout, saying=lambda: self.output)
        assert text in self.output, self.output

    def family(self) -> list[psutil.Process]:
        """The supervisor, its guardian, and everything below them."""
        me = psutil.Process(self.popen.pid)
        return [me, *me.children(recursive=True)]

    def child(self, name: str) -> psutil.Process:
        """The process of that name."""
        return psutil.Process(self.state["running"]["children"][name]["pid"])

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.popen.send_signal(signal.SIGINT)

    def wait(self, timeout: float = 40.0) -> int:
        """The exit code, when it has ended by itself."""
        return self.popen.wait(timeout)

    def stopped(self) -> list[str]:
        """The processes in the order in which it stopped them."""
        return re.findall(r"^celeriac +\| (\w+) stopped$", self.output, re.MULTILINE)

    def end(self) -> None:
        """The test is over: whatever lives is stopped by the guardian."""
        if self.popen.poll() is None:
            family = self.family()
            self.popen.kill()
            self.popen.wait()
            eventually(lambda: not living(family), 20, saying="the guardian left something")
        shutil.rmtree(self.output_path.parent, ignore_errors=True)


def living(processes: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run (a zombie does not)."""
    found = []
    for process in processes:
        try:
            if process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.NoSuchProcess:
            continue
    return found


def command_lines(processes: list[psutil.Process]) -> list[str]:
    """What `ps` shows of those that still run."""
    found = []
    for process in living(processes):
        with contextlib.suppress(psutil.NoSuchProcess):
            found.append(" ".join(process.cmdline()))
    return found


def clean_environment(home: Path) -> dict[str, str]:
    """The caller's environment without anything that names servers or settings of the tests."""
    hidden = ("DATABASE_URL", "BROKER_URL", "SECRET_KEY", "DJANGO_SETTINGS_MODULE", "PYTEST_CURRENT_TEST")
    kept = {name: value for name, value in os.environ.items() if name not in hidden}
    return kept | {"CELERIAC_HOME": str(home), "NO_COLOR": "1"}


def shared_python(directory: Path) -> dict[str, str]:
    """An interpreter that the servers' account may run: a copy when ours lies in a directory closed to it.

    As the environment variables that it needs, with PYTHON for its path.
    """
    packages = sysconfig.get_paths()["purelib"]
    common = {"PYTHONPATH": packages, "PYTHONDONTWRITEBYTECODE": "1", "HOME": "/nonexistent"}
    binary, base = Path(sys.executable).resolve(), Path(sys.base_prefix)
    if server_account().reaches(binary.parent):
        return common | {"PYTHON": str(binary)}
    library = Path(sysconfig.get_paths()["stdlib"])
    skipped = shutil.ignore_patterns("site-packages", "test", "tests", "__pycache__", "idlelib", "config-*", "lib2to3")
    shutil.copytree(library, directory / library.relative_to(base), ignore=skipped)
    for shared in (base / "lib").glob("libpython*.so*"):
        shutil.copy2(shared, directory / "lib" / shared.name, follow_symlinks=False)
    (directory / "bin").mkdir()
    shutil.copy2(binary, directory / "bin" / binary.name)
    return common | {
        "PYTHON": str(directory / "bin" / binary.name),
        "LD_LIBRARY_PATH": str(directory / "lib"),
    }
