"""Servers and processes for the tests. Nothing is started until a test asks for it."""

from __future__ import annotations

import itertools
import os
import re
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis

from tests.support import settings as test_settings

if TYPE_CHECKING:
    from pytest_django import DjangoDbBlocker

    from tests.support.servers import Servers
    from tests.support.stack import Stack

_STACKS = pytest.StashKey[list["Stack"]]()
_TEMPLATE = "celeriac_template"


def pytest_configure() -> None:
    """Let Ctrl-C reach the commands under test: a job in the background of a shell starts with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The session's servers: the fixtures that need one start it; tests may kill and restart it."""
    from tests.support.servers import Servers

    held = Servers(
        postgres_port=test_settings.POSTGRES_PORT,
        valkey_port=test_settings.VALKEY_PORT,
        password=test_settings.SERVER_PASSWORD,
    )
    yield held
    held.stop()
    shutil.rmtree(os.environ["CELERIAC_HOME"], ignore_errors=True)


@pytest.fixture(scope="session")
def postgres(servers: Servers) -> str:
    """The URL of a running PostgreSQL (its database `celeriac`, not pytest-django's test database)."""
    servers.start_postgres()
    return servers.database_url


@pytest.fixture(scope="session")
def _valkey(servers: Servers) -> str:
    servers.start_valkey()
    return servers.broker_url


@pytest.fixture(scope="session")
def django_db_modify_db_settings(django_db_modify_db_settings_parallel_suffix: None, postgres: str) -> None:
    """Start PostgreSQL just before pytest-django makes its database."""


@pytest.fixture
def broker(_valkey: str) -> str:
    """The URL of a running, empty Valkey: the one that the Celery application of this process uses."""
    client = redis.Redis.from_url(_valkey)
    client.flushall()
    client.close()
    return _valkey


@pytest.fixture(scope="session")
def _template_database(postgres: str, servers: Servers) -> str:
    """A database with all migrations applied, to be copied: 0.1 s instead of a migration per stack."""
    import subprocess
    import sys

    from tests.support.servers import ROOT

    url = servers.create_database(_TEMPLATE)
    done = subprocess.run(
        [sys.executable, "manage.py", "migrate", "-v0"],
        cwd=ROOT,
        env=os.environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "orchestrator.settings"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"migrate failed:\n{done.stdout}\n{done.stderr}"
    return _TEMPLATE


_numbers = itertools.count(1)


@pytest.fixture
def live_stack(
    request: pytest.FixtureRequest,
    servers: Servers,
    broker: str,
    _template_database: str,
    django_db_blocker: DjangoDbBlocker,
) -> Iterator[Callable[..., Stack]]:
    """A factory of real processes on a fresh database, which this process's Django uses too.

    `live_stack(workers=1, concurrency=2, reconciler=True, web=False, beat=False, env={})` once in a test.
    """
    from django.db import connections

    from tests.support.stack import Stack
    from workflows.engine import plans

    stacks: list[Stack] = request.node.stash.setdefault(_STACKS, [])
    undo: list[Callable[[], Any]] = []
    default = connections.databases["default"]
    before = default["NAME"]

    def start(
        *,
        workers: int = 1,
        concurrency: int = 2,
        reconciler: bool = True,
        web: bool = False,
        beat: bool = False,
        env: Mapping[str, str] | None = None,
    ) -> Stack:
        assert not stacks, "one stack per test: this process's Django can be in one database only"
        name = f"stack_{next(_numbers)}"
        url = servers.create_database(name, template=_template_database)
        undo.append(lambda: servers.drop_database(name))
        label = re.sub(r"\W+", "-", request.node.name)[:40]
        directory = Path(tempfile.mkdtemp(prefix=f"{label}-"))
        undo.append(lambda: shutil.rmtree(directory, ignore_errors=True))
        stack = Stack(
            database_url=url, broker_url=broker, directory=directory, guardian=servers.guardian, env=env or {}
        )
        stacks.append(stack)
        connections["default"].close()
        default["NAME"] = name
        plans.forget()  # its versions have the numbers of another database's
        if reconciler:
            stack.reconciler()
        if beat:
            stack.beat()
        started = [
            stack.worker(f"worker{number}" if number > 1 else "worker", concurrency=concurrency, wait=False)
            for number in range(1, workers + 1)
        ]
        if web:
            stack.web()
        for worker in started:
            worker.wait_ready()
        return stack

    with django_db_blocker.unblock():
        yield start
        connections.close_all()
    default["NAME"] = before
    plans.forget()
    for stack in stacks:
        stack.end()
    for step in reversed(undo):
        step()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
    """Put the processes' logs into the report of a test that failed."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for stack in item.stash.get(_STACKS, []):
            report.sections.extend(stack.logs())
