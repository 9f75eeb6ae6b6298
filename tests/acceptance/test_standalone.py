"""The embedded default, run as a person runs it: `manage.py standalone` with real servers and processes."""

from __future__ import annotations

import base64
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from orchestrator.standalone import main as standalone
from orchestrator.standalone import ports
from orchestrator.standalone.account import server_account
from orchestrator.standalone.binaries import postgres as find_postgres
from tests.support.servers import Servers
from tests.support.standalone import StandaloneProcess, command_lines, living, shared_python
from tests.support.waiting import eventually

ORDER = ["beat", "flower", "reconciler", "worker", "web", "valkey", "postgres"]
KILLED_SECONDS = 4.0

Start = Callable[..., StandaloneProcess]


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that every user may enter: pytest's own are closed to the servers' user."""
    directory = Path(tempfile.mkdtemp(prefix="celeriac-standalone-", dir="/tmp"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    """Start standalones; at the end nothing of them is left."""
    started: list[StandaloneProcess] = []

    def begin(*arguments: str, home: Path | None = None, **popen: Any) -> StandaloneProcess:
        started.append(StandaloneProcess(home or place / "home", *arguments, **popen))
        return started[-1]

    yield begin
    for process in started:
        process.end()


def status(url: str, credentials: str = "") -> int:
    """The HTTP status of a GET."""
    request = urllib.request.Request(url)
    if credentials:
        request.add_header("Authorization", "Basic " + base64.b64encode(credentials.encode()).decode())
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        error.close()
        return error.code
    except OSError:
        return 0


def database(process: StandaloneProcess) -> psycopg.Connection:
    """A session in the standalone's database, through the address that it wrote down."""
    return psycopg.connect(process.state["DATABASE_URL"], autocommit=True)


def one_sentence(process: StandaloneProcess) -> str:
    """The refusal: exit 1, one line, no traceback."""
    assert process.wait() == 1
    assert "Traceback" not in process.output
    lines = [line for line in process.output.splitlines() if "|" not in line]
    assert len(lines) == 1, process.output
    return lines[0]


def test_starts_serves_restarts_what_crashes_and_stops_in_order(start: Start) -> None:
    """One life: addresses answer, a second copy is refused, a killed child comes back, Ctrl-C ends all."""
    first = start()
    first.wait_ready()
    password = re.search(r"First user: +admin +password +(\S+)", first.output)
    assert password, first.output
    assert status(f"http://127.0.0.1:{first.port}/admin/login/") == 200
    flower = re.search(r"Flower +(\S+) +user (\S+), password (\S+)", first.output)
    assert flower, first.output
    url, user, secret = flower.groups()
    eventually(lambda: status(url, f"{user}:{secret}") == 200, 20, saying="Flower with its password")
    assert status(url) == 401

    second = start()
    refusal = one_sentence(second)
    assert f"already running in {first.home} (process {first.popen.pid}, http://127.0.0.1:{first.port})" in refusal

    web = first.child("web")
    web.kill()
    first.wait_for("web ended (killed by SIGKILL): starting it again in 0.5 s")
    eventually(lambda: status(f"http://127.0.0.1:{first.port}/admin/login/") == 200, 20, saying="web comes back")

    assert (first.home / "state.json").stat().st_mode & 0o777 == 0o600
    assert not any(secret in line for line in command_lines(first.family()))
    family = first.family()
    first.interrupt()
    assert first.wait() == 0, first.output
    assert first.stopped() == ORDER, first.output
    assert living(family) == []
    assert "running" not in first.state


def test_kill_9_leaves_nothing_and_a_second_start_keeps_the_data(start: Start, place: Path) -> None:
    """The guardian stops everything in time, PostgreSQL in order; the next start has the data."""
    first = start()
    first.wait_ready()
    with database(first) as session:
        session.execute("create table keepsake as select 42 as answer")
    family = first.family()
    assert sum("guardian.py" in line for line in command_lines(family)) == 1
    first.popen.send_signal(signal.SIGKILL)
    eventually(lambda: not living(family), KILLED_SECONDS, saying=lambda: f"left: {living(family)}")
    assert first.wait() == -signal.SIGKILL
    account = server_account()
    control = subprocess.run(
        [find_postgres(account, place).sibling("pg_controldata"), first.home / "postgres-18"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.search(r"cluster state: +shut down$", control.stdout, re.MULTILINE), control.stdout

    second = start()
    second.wait_ready()
    assert "First user" not in second.output
    with database(second) as session:
        assert session.execute("select answer from keepsake").fetchone() == (42,)
    second.popen.terminate()
    assert second.wait() == 0, second.output
    assert second.stopped() == ORDER, second.output


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_runs_as_an_ordinary_user(start: Start, place: Path) -> None:
    """Without root nothing changes its user, and the home belongs to the one who started it."""
    account = server_account()
    mine = place / "mine"
    mine.mkdir()
    os.chown(mine, account.uid, account.gid)
    python = shared_python(place / "python")
    process = start(home=mine / "home", python=python, user=account.uid, group=account.gid, extra_groups=[])
    process.wait_ready()
    assert {member.uids().real for member in process.family()} == {account.uid}
    family = process.family()
    process.interrupt()
    assert process.wait() == 0, process.output
    assert process.stopped() == ORDER, process.output
    assert living(family) == []


def test_uses_the_servers_that_the_environment_names(start: Start, servers: Servers, broker: str) -> None:
    """DATABASE_URL and BROKER_URL set: no server of ours, and no address of theirs in our state file."""
    servers.start_postgres()
    url = servers.create_database("standalone_external")
    process = start(python={"DATABASE_URL": url, "BROKER_URL": broker})
    process.wait_ready()
    names = set(process.state["running"]["children"])
    assert names == {"web", "worker", "reconciler", "beat", "flower"}
    assert not {"DATABASE_URL", "BROKER_URL"} & set(process.state)
    process.interrupt()
    assert process.wait() == 0
    assert process.stopped() == ORDER[:5]
    servers.drop_database("standalone_external")


def test_a_taken_port_is_one_sentence_with_the_mend(start: Start) -> None:
    """The refusal names the port and the option."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = start("--port", str(port))
        assert one_sentence(process) == (
            f"Port {port} on 127.0.0.1 is taken: stop the program that listens there, "
            "or choose another port with --port."
        )


def test_data_of_another_major_version_is_one_sentence_with_the_mend(start: Start, place: Path) -> None:
    """Nothing of the old data is touched."""
    old = place / "home" / "postgres-16"
    old.mkdir(parents=True)
    (old / "PG_VERSION").write_text("16\n")
    process = start()
    sentence = one_sentence(process)
    assert "was written by PostgreSQL 16" in sentence
    assert "CELERIAC_POSTGRES" in sentence
    assert [path.name for path in (place / "home").glob("postgres-*")] == ["postgres-16"]


def test_a_home_that_cannot_be_made_is_one_sentence(start: Start, place: Path) -> None:
    """Here a file is in the way."""
    (place / "file").write_text("")
    process = start(home=place / "file" / "home")
    assert "opening the home" in one_sentence(process)


def test_a_stop_while_starting_leaves_nothing(start: Start) -> None:
    """Ctrl-C does not have to wait for the start to end."""
    process = start()
    process.wait_for("starting postgres")
    family = process.family()
    process.interrupt()
    assert process.wait(20) == 0, process.output
    eventually(lambda: not living(family), 5)
    assert not psutil.pid_exists(process.popen.pid)
    assert ports.is_free(process.port)


RUN = """
id: standalone_run
params: {code: {type: integer, default: 0}}
tasks:
  first: {type: shell, command: "echo hello"}
  second: {type: shell, command: "exit {{ params.code }}", depends_on: [first]}
"""


def test_runs_one_document_and_exits_with_its_outcome(start: Start, place: Path) -> None:
    """The table of every task's final state is shown, all is stopped, and the exit code says how it went."""
    document = place / "run.yaml"
    document.write_text(RUN)
    with socket.socket() as taken:
        if ports.is_free(standalone.WEB_PORT):
            taken.bind((ports.LOOPBACK, standalone.WEB_PORT))
            taken.listen()
        good = start("--run", str(document), "--exit")  # nobody asked for that port: it takes another one
        assert good.wait(60) == 0, good.output
    assert re.search(r"first +success", good.output), good.output
    assert re.search(r"second +success", good.output), good.output
    assert "running" not in good.state
    bad = start("--run", str(document), "--param", "code=3", "--exit")
    assert bad.wait(60) == 1, bad.output
    assert re.search(r"first +success", bad.output), bad.output
    assert re.search(r"second +failed", bad.output), bad.output


def test_a_run_of_no_file_is_one_sentence(start: Start) -> None:
    """Before anything is started."""
    process = start("--run", "missing.yaml", "--exit")
    assert one_sentence(process) == "There is no file missing.yaml: give --run the path of a DAG document."
