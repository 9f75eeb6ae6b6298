"""Celeriac's real processes for one test: its own database, a flushed broker, workers that can be killed."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import psutil

from orchestrator.standalone import ports
from orchestrator.standalone.guardian import Guardian
from tests.support.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
_READY_SECONDS = 40


class LiveProcess:
    """One process of a stack: restartable, killable, with its output in a file."""

    def __init__(
        self, name: str, command: Sequence[str], *, env: Mapping[str, str], log: Path, guardian: Guardian
    ) -> None:
        self.name = name
        self.log_path = log
        self._command = list(command)
        self._env = dict(env)
        self._guardian = guardian
        self._popen: subprocess.Popen[bytes] | None = None
        self._log_start = 0

    @property
    def process(self) -> psutil.Process:
        """The main process, for signals and for its children."""
        assert self._popen is not None, f"{self.name} was not started"
        return psutil.Process(self._popen.pid)

    @property
    def pid(self) -> int:
        """The main process's id."""
        return self.process.pid

    def children(self) -> list[psutil.Process]:
        """Every process below the main one (a prefork worker's pool, and the shells of its tasks)."""
        return self.process.children(recursive=True)

    def alive(self) -> bool:
        """Whether the main process runs."""
        return self._popen is not None and self._popen.poll() is None

    def log(self) -> str:
        """What it has written since its last start."""
        with self.log_path.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def start(self, **env: str) -> None:
        """Start it, with more environment variables if given; does not wait until it is ready."""
        with self.log_path.open("ab") as log:
            self._log_start = log.tell()
            self._popen = subprocess.Popen(
                self._command,
                cwd=ROOT,
                env=self._env | env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._guardian.watch(self._popen.pid, stop_signal=signal.SIGTERM, server=False)

    def wait_for(self, text: str, timeout: float = _READY_SECONDS) -> None:
        """Return when the text is in its output since the last start."""
        eventually(
            lambda: text in self.log() or not self.alive(),
            timeout,
            saying=f"{self.name} never wrote {text!r}",
        )
        assert text in self.log(), f"{self.name} ended before it wrote {text!r}:\n{self.log()[-3000:]}"

    def wait_ready(self) -> None:
        """Return when a worker consumes, the web answers; other processes count as ready once they run."""
        if self.name.startswith("worker"):
            self.wait_for(" ready.")

    def stop(self, timeout: float = 20.0) -> int:
        """SIGTERM, as an orchestrator does it; the exit code. The whole group is killed after `timeout`."""
        return self._end(signal.SIGTERM, timeout)

    def kill(self) -> None:
        """SIGKILL of the main process only: its children find out by themselves."""
        assert self._popen is not None
        self._popen.kill()
        self._popen.wait()

    def kill_all(self) -> None:
        """SIGKILL of the main process and of everything below it, as when the machine dies."""
        with contextlib.suppress(psutil.NoSuchProcess):
            below = self.children()
            self.kill()
            for child in below:
                with contextlib.suppress(psutil.NoSuchProcess):
                    child.kill()

    def restart(self, **env: str) -> None:
        """Start it again (after a stop or kill, or instead of one) and wait until it is ready."""
        if self.alive():
            self.stop()
        self.start(**env)
        self.wait_ready()

    def end(self) -> None:
        """The test is over: kill everything that is left, and reap."""
        if self._popen is None:
            return
        self.kill_all()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._popen.pid, signal.SIGKILL)
        self._popen.wait()
        self._guardian.forget(self._popen.pid)

    def _end(self, how: signal.Signals, timeout: float) -> int:
        assert self._popen is not None
        self._popen.send_signal(how)
        try:
            return self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill_all()
            raise AssertionError(f"{self.name} did not stop within {timeout} s:\n{self.log()[-3000:]}") from None


class Stack:
    """The processes of one test. Each method starts one and waits until it is ready, unless told not to."""

    def __init__(
        self,
        *,
        database_url: str,
        broker_url: str,
        directory: Path,
        guardian: Guardian,
        env: Mapping[str, str],
    ) -> None:
        self.database_url = database_url
        self.broker_url = broker_url
        self.directory = directory
        self.processes: list[LiveProcess] = []
        self.web_url = ""
        self._guardian = guardian
        home = directory / "home"
        home.mkdir(exist_ok=True)
        self.env = os.environ | {
            "DJANGO_SETTINGS_MODULE": os.environ.get("CELERIAC_TEST_SETTINGS", "orchestrator.settings"),
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "CELERIAC_HOME": str(home),
            "PYTHONUNBUFFERED": "1",
            **env,
        }

    def __getitem__(self, name: str) -> LiveProcess:
        return next(process for process in self.processes if process.name == name)

    def worker(
        self,
        name: str = "worker",
        *,
        concurrency: int = 2,
        queues: Sequence[str] = (),
        options: Sequence[str] = (),
        env: Mapping[str, str] | None = None,
        wait: bool = True,
    ) -> LiveProcess:
        """A prefork worker; without `queues` it takes the default queue. Names start with "worker"."""
        assert name.startswith("worker"), "a worker's name must start with 'worker'"
        chosen = ["--queues", ",".join(queues)] if queues else []
        return self._add(
            name,
            self._celery(
                "worker",
                "-n",
                f"{name}@{self.directory.name}",
                "-l",
                "INFO",
                "-c",
                str(concurrency),
                *chosen,
                *options,
            ),
            env=env,
            wait=wait,
        )

    def reconciler(self, name: str = "reconciler", *, env: Mapping[str, str] | None = None) -> LiveProcess:
        """`manage.py reconcile --forever`."""
        return self._add(name, self._manage("reconcile", "--forever"), env=env, wait=False)

    def beat(self, name: str = "beat", *, env: Mapping[str, str] | None = None) -> LiveProcess:
        """Celery Beat with the database scheduler; any number of them."""
        command = self._celery("beat", "-l", "INFO", "--pidfile=")
        return self._add(name, command, env=env, wait=False)

    def web(self, *, env: Mapping[str, str] | None = None) -> LiveProcess:
        """The web process; its address is then in `web_url`."""
        port = ports.choose()
        process = self._add(
            "web",
            [
                *(sys.executable, "-m", "uvicorn", "orchestrator.asgi:application", "--host", "127.0.0.1"),
                *("--port", str(port), "--lifespan", "off", "--timeout-graceful-shutdown", "5"),
            ],
            env=env,
            wait=False,
        )
        eventually(lambda: ports.answers(port) or not process.alive(), _READY_SECONDS, saying="web never listened")
        assert process.alive(), f"web ended:\n{process.log()[-3000:]}"
        self.web_url = f"http://127.0.0.1:{port}"
        return process

    def manage(
        self,
        *arguments: str,
        timeout: float = 120.0,
        check: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a management command to its end beside the stack."""
        done = subprocess.run(
            self._manage(*arguments),
            cwd=ROOT,
            env=self.env | dict(env or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
        )
        if check:
            assert done.returncode == 0, f"{arguments}: exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def logs(self) -> Iterator[tuple[str, str]]:
        """(title, the end of the log) of each process, for a failed test's report."""
        for process in self.processes:
            if process.log_path.exists():
                text = process.log_path.read_text(errors="replace")
                yield f"{process.name} ({process.log_path.name}, last lines)", text[-4000:]

    def end(self) -> None:
        """Kill everything. Order is not tested here."""
        for process in self.processes:
            process.end()

    def _add(self, name: str, command: list[str], *, env: Mapping[str, str] | None, wait: bool) -> LiveProcess:
        process = LiveProcess(
            name,
            command,
            env=self.env | dict(env or {}),
            log=self.directory / f"{name}.log",
            guardian=self._guardian,
        )
        self.processes.append(process)
        process.start()
        if wait:
            process.wait_ready()
        return process

    def _celery(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "celery", "-A", "orchestrator", *arguments]

    def _manage(self, *arguments: str) -> list[str]:
        return [sys.executable, str(ROOT / "manage.py"), *arguments]
