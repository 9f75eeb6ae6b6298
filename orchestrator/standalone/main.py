"""The standalone from start to stop; the management command only parses its options."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from orchestrator import env
from orchestrator.standalone import embedded, leftovers, ports, processes
from orchestrator.standalone.child import Child, Spec
from orchestrator.standalone.console import Console
from orchestrator.standalone.errors import CannotStart, from_os
from orchestrator.standalone.guardian import Guardian
from orchestrator.standalone.home import Home
from orchestrator.standalone.supervisor import StopRequested, Supervisor

WEB_PORT, FLOWER_PORT = 8000, 5555
ADMIN = "admin"
RUN_LOG = "run.log"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the caller asked for; a port of None is the default one, or with `exit` any free one."""

    port: int | None = None
    flower_port: int | None = None
    concurrency: int = 2
    run: Path | None = None
    params: Sequence[str] = ()
    exit: bool = False


def main(options: Options) -> int:
    """Start everything, wait for the end (a signal, or the run's), stop everything; the exit code."""
    try:
        if options.run and not options.run.is_file():
            raise CannotStart(f"There is no file {options.run}: give --run the path of a DAG document.")
        home = Home(env.home())
        home.open()
        with _log(options, home) as log:
            return Standalone(options, home, Console(log)).live()
    except StopRequested:
        return 1 if options.run else 0
    except OSError as error:
        problem = from_os(error, "running the standalone")
    except CannotStart as refusal:
        problem = refusal
    print(problem, file=sys.stderr)
    return 1


class Standalone:
    """One life of the embedded default, in a home that is open and locked."""

    def __init__(self, options: Options, home: Home, console: Console) -> None:
        self.options = options
        self.home = home
        self.console = console
        self.environment: dict[str, str] = {}
        self._for_one_run = bool(options.run and options.exit)

    def live(self) -> int:
        """From the first process to the last stopped one; the exit code."""
        begun = time.monotonic()
        web_port, flower_port = self._choose_ports()
        leftovers.stop(self.home.state.get("running") or {}, self.console)
        guardian = Guardian(keep_fds=(self.home.lock,))
        self.supervisor = Supervisor(console=self.console, guardian=guardian, changed=self._note_children)
        self.supervisor.listen()
        self.url = f"http://{ports.LOOPBACK}:{web_port}"
        self._note_children()
        (self.home.path / "static").mkdir(exist_ok=True)  # the web process warns when STATIC_ROOT is missing
        code = 0
        if self._for_one_run:
            print("Starting the servers, the worker and the other processes.", flush=True)
        try:
            self._start(web_port, flower_port)
            self.console.say(f"ready after {time.monotonic() - begun:.1f} s")
            code = self._work()
        except CannotStart as problem:
            self._show_recent(problem.process)
            raise
        finally:
            self.supervisor.stop(processes.STOP_ORDER)
            guardian.close()
            self.home.write(running=None)
        return code

    def _choose_ports(self) -> tuple[int, int]:
        web = self._port(self.options.port, WEB_PORT, "--port")
        flower = self._port(self.options.flower_port, FLOWER_PORT, "--flower-port", taken=web)
        self.home.write(ports={"web": web, "flower": flower})
        return web, flower

    def _port(self, asked: int | None, default: int, option: str, taken: int = 0) -> int:
        port = asked or default
        if port != taken and ports.is_free(port):
            return port
        if asked is None and self._for_one_run:
            return ports.choose()
        raise CannotStart(
            f"Port {port} on {ports.LOOPBACK} is taken: stop the program that listens there, "
            f"or choose another port with {option}."
        )

    def _start(self, web_port: int, flower_port: int) -> None:
        self._start_servers()
        queues = self._prepare(web_port)
        started = [
            self.supervisor.start(spec, wait=False)
            for spec in (
                processes.worker(self.options.concurrency, queues, self.environment),
                processes.web(web_port, self.environment),
                processes.reconciler(self.environment),
                processes.beat(self.environment),
            )
        ]
        for child in started:
            self.supervisor.wait_ready(child)
        # Only now: started together with the workers, Flower's list of them stays empty.
        credentials = f"{ADMIN}:{self._kept_secret('flower_password', 12)}"
        self.supervisor.start(processes.flower(flower_port, credentials, self.environment), wait=False)
        if not self._for_one_run:
            self._tell_addresses(flower_port, credentials)

    def _start_servers(self) -> None:
        servers = embedded.choose(self.home)
        waiting: list[Child] = []
        if servers.postgres:
            waiting.append(self._start_server(processes.postgres(servers.postgres)))
        if servers.valkey:
            waiting.append(self._start_server(processes.valkey(servers.valkey)))
        for child in waiting:
            self.supervisor.wait_ready(child)
        if servers.postgres:
            embedded.create_databases(self.home, servers.postgres)

    def _start_server(self, spec: Spec) -> Child:
        self.console.say(f"starting {spec.name}")
        try:
            return self.supervisor.start(spec, wait=False)
        except OSError as error:
            raise from_os(error, f"starting {spec.name}") from error

    def _prepare(self, web_port: int) -> list[str]:
        """Migrate, and create the first user; the queues of all pools."""
        self.environment = self._environment(web_port)
        password = secrets.token_urlsafe(9)
        answer = self.home.path / "prepared.json"
        answer.unlink(missing_ok=True)
        spec = processes.manage(
            *("prepare", "prepare", "--user", ADMIN, "--answer", str(answer)),
            environment={**self.environment, "FIRST_PASSWORD": password},
        )
        self.console.say("applying migrations")
        if self.supervisor.run_to_end(spec):
            raise CannotStart("The database could not be prepared: the last lines say why.", process="prepare")
        prepared = json.loads(answer.read_text(encoding="utf-8"))
        answer.unlink()
        if prepared["user_created"]:
            self._tell_password(password)
        queues: list[str] = prepared["queues"]
        return queues

    def _work(self) -> int:
        """Run what was asked for, or live until a signal comes."""
        code = 0
        if self.options.run:
            arguments = ["dag_run", "--file", str(self.options.run.resolve()), "--wait"]
            for param in self.options.params:
                arguments += ["--param", param]
            spec = processes.manage("run", *arguments, environment=self.environment, inherit_output=self.options.exit)
            code = self.supervisor.run_to_end(spec)
            if self.options.exit:
                self._tell_log(code)
                return code
        self.supervisor.run()
        return code

    def _environment(self, web_port: int) -> dict[str, str]:
        given = env.text("CELERIAC_HTTP_ALLOW_PRIVATE")
        own = f"{ports.LOOPBACK}:{web_port}"
        state = self.home.state
        addresses: dict[str, str] = {n: str(state[n]) for n in ("DATABASE_URL", "BROKER_URL") if n in state}
        return {
            "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
            "CELERIAC_HOME": str(self.home.path),
            "SECRET_KEY": env.text("SECRET_KEY") or self._kept_secret("SECRET_KEY", 48),
            "PYTHONUNBUFFERED": "1",
            "CELERIAC_URL": self.url,
            # A DAG of this installation may call its own API; every other private address stays refused.
            "CELERIAC_HTTP_ALLOW_PRIVATE": f"{given},{own}" if given else own,
            **addresses,
        }

    def _kept_secret(self, name: str, size: int) -> str:
        if not self.home.state.get(name):
            self.home.write(**{name: secrets.token_urlsafe(size)})
        return str(self.home.state[name])

    def _note_children(self) -> None:
        children = {name: child.identity() for name, child in self.supervisor.children.items() if child.pid}
        self.home.write(running={"pid": os.getpid(), "url": self.url, "children": children})

    def _tell_password(self, password: str) -> None:
        text = f"\n  First user:  {ADMIN}   password  {password}   (shown this once: change it in the admin)\n"
        self._tell(text)

    def _tell_addresses(self, flower_port: int, credentials: str) -> None:
        user, _, password = credentials.partition(":")
        self._tell(
            "\n  Celeriac is running. Ctrl-C stops everything.\n\n"
            f"  Admin    {self.url}/admin/\n"
            f"  API      {self.url}/api/v1/\n"
            f"  Flower   http://{ports.LOOPBACK}:{flower_port}/   user {user}, password {password}\n"
            f"  Data     {self.home.path}\n"
        )

    def _tell(self, text: str) -> None:
        """To the person, wherever the log goes."""
        if self._for_one_run:
            print(text, flush=True)
        else:
            self.console.plain(text)

    def _tell_log(self, code: int) -> None:
        if code:
            print(f"What the processes wrote is in {self.home.path / RUN_LOG}.", file=sys.stderr, flush=True)

    def _show_recent(self, process: str) -> None:
        """When the log went to a file, a failure must still be readable on the screen."""
        if process and self._for_one_run:
            print("\n".join(self.console.recent(process)), file=sys.stderr, flush=True)


def _log(options: Options, home: Home) -> TextIO:
    """The terminal; with --run --exit a file, because the screen belongs to the run's table."""
    if options.run and options.exit:
        (home.path / RUN_LOG).touch(mode=0o600)
        return (home.path / RUN_LOG).open("w", encoding="utf-8")
    return os.fdopen(os.dup(1), "w", encoding="utf-8", errors="replace")
