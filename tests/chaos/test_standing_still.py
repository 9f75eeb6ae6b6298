"""A worker that is alive and takes nothing, and messages that no worker understands: seen, told, and survived."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from celery import current_app

from tests.support.staging import Stage, deed
from tests.support.waiting import eventually
from workflows.models import BrokerMark, Node


def test_a_worker_that_consumes_nothing_is_flagged_and_told_of(stage_of: Callable[..., Stage]) -> None:
    """Somebody cancelled its consumer by remote control; a hung consumer looks the same: heartbeats, and no work."""
    stage = stage_of(STALL_SECONDS=2.0)
    node = eventually(lambda: Node.objects.filter(stopped_at__isnull=True).first(), 10)
    current_app.control.cancel_consumer("celeriac", destination=[node.name], reply=True, timeout=5)
    run = stage.run("waits", {"t": deed("work")})

    eventually(lambda: Node.objects.get(name=node.name).stalled_at, 15, saying=stage.report)
    assert f"worker {node.name} is alive and takes nothing from celeriac" in stage.stack["reconciler"].log()
    checks = {check["name"]: check for check in json.loads(stage.stack.manage("doctor", "--json").stdout)}
    assert checks["nodes"]["status"] == "fail"
    assert checks["nodes"]["mend"].startswith("Restart it")
    assert stage.state(run) == "running"

    current_app.control.add_consumer("celeriac", destination=[node.name], reply=True, timeout=5)
    assert stage.ended(run) == ["success"]
    eventually(lambda: Node.objects.get(name=node.name).stalled_at is None, 10)
    assert [line["attempt"] for line in stage.lines("start", run)] == [1], "its message was there: none was sent twice"
    stage.check(run)


def test_a_canary_travels_behind_what_waits(stage_of: Callable[..., Stage]) -> None:
    """Through a real broker and a real worker, after everything that was there before it."""
    stage = stage_of(concurrency=1, CANARY_SECONDS=0.5)
    gate = stage.gate("first")
    run = stage.run("blocked", {"t": deed("work", gate=gate, priority=9), **{f"b{n}": deed("work") for n in range(4)}})
    stage.started(run, "t")
    eventually(lambda: BrokerMark.objects.filter(name="canary:celeriac").exists(), 15)
    assert not BrokerMark.objects.filter(name="passed:celeriac").exists(), "there is no room: it has to wait, too"
    stage.open("first")
    assert stage.ended(run) == ["success"]
    eventually(lambda: BrokerMark.objects.filter(name="passed:celeriac").exists(), 15)
    assert len(stage.lines("start", run)) == 5, "a backlog is no evidence: nothing was sent twice"
    stage.check(run)


def test_messages_that_nobody_understands_are_counted_and_harm_nobody(stage_of: Callable[..., Stage]) -> None:
    stage = stage_of()
    current_app.send_task("shop.no_such_task", queue="celeriac")
    for args in ((), ("1", "2", "3", "4"), (1, 2, 3), (2**70, 0, -1, 1), (1, 0, -1, True)):
        current_app.send_task("celeriac.run", args=args, queue="celeriac")
    current_app.send_task("celeriac.run", kwargs={"run_id": 1}, queue="celeriac")
    garbage()
    run = stage.run("among_them", {"a": deed("work"), "b": deed("work", depends_on=["a"])})
    assert stage.ended(run) == ["success"]

    def counted() -> dict[str, int]:
        rows = BrokerMark.objects.filter(name__startswith="dropped:").values_list("name", "value")
        return {name.removeprefix("dropped:"): int(value) for name, value in rows}

    eventually(lambda: counted() == {"unknown_task": 1, "malformed": 8}, 10, saying=lambda: str(counted()))
    log = stage.stack["worker"].log()
    assert "a message for the unknown task 'shop.no_such_task' was thrown away" in log
    assert "a message names no attempt and was thrown away" in log
    checks = {check["name"]: check for check in json.loads(stage.stack.manage("doctor", "--json").stdout)}
    assert checks["messages"]["status"] == "warn"
    assert "9 messages in all" in checks["messages"]["message"]
    stage.check(run)


def garbage() -> None:
    """Something that claims to be JSON, and something that is no task."""
    with current_app.connection_for_write() as connection, connection.Producer() as producer:
        route: dict[str, Any] = {"routing_key": "celeriac", "exchange": "", "content_encoding": "utf-8"}
        producer.publish("{no json", content_type="application/json", **route)
        producer.publish('{"hello": "world"}', content_type="application/json", **route)
