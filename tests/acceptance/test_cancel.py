"""Cancelling a run on a real worker: what it runs is dead within five seconds, down to the last grandchild."""

from __future__ import annotations

import time
from collections.abc import Iterator

import psutil
import pytest
from pytest_django import DjangoDbBlocker

from tests.support.servers import Servers
from tests.support.staging import Stage, deed, staged
from tests.support.waiting import eventually
from workflows.engine import control
from workflows.executors import send

SECONDS = 5.0


@pytest.fixture(scope="module")
def stage(
    servers: Servers, _valkey: str, _template_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stage]:
    with staged(servers, _valkey, _template_database, django_db_blocker) as start:
        yield start(concurrency=3)


@pytest.mark.parametrize("revoked", [True, False], ids=["revoked", "the revocation is lost"])
def test_a_cancel_kills_everything_that_the_run_started(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, revoked: bool
) -> None:
    """A shell, its child in a session of its own, and a python task. Without the broker's help the lease keeper does
    it."""
    if not revoked:
        monkeypatch.setattr(send, "revoke", lambda ids, kill: None)
    name = f"cancelled_{revoked}".lower()
    gate = stage.gate(name)
    run = stage.run(name, {"shell": stage.shell(gate), "python": deed("work", gate=gate), "last": deed("work")})
    python = psutil.Process(stage.started(run, "python")["pid"])
    stage.started(run, "shell")
    eventually(lambda: stage.lines("grandchild", run), 10)
    assert len(stage.orphans(run)) >= 2, "a shell and its grandchild run"

    assert control.cancel_run(run)
    at = time.monotonic()
    eventually(lambda: not stage.orphans(run) and not python.is_running(), 30, saying=stage.report)
    took = time.monotonic() - at
    assert took < SECONDS, f"it took {took:.1f} s"
    stage.open(name)
    assert stage.ended(run) == ["cancelled"]
    stage.settled(run, "shell", "cancelled")
    stage.check(run)
    assert not stage.lines("late", run), "the grandchild went on after the cancel"
    after = stage.run(f"after_{name}", {"t": deed("work")})
    assert stage.ended(after) == ["success"], "the worker lives on"
