"""From events to messages: none lost, none noted twice, each tried until it is answered well or given up."""

from __future__ import annotations

import hashlib
import hmac
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core import mail
from django.db import connection

from tests.integration.operators.conftest import Site
from tests.support.hands import Fail, dag, do, start, state
from tests.support.waiting import eventually
from workflows.conf import conf
from workflows.core.errors import UnknownCallback
from workflows.engine import callbacks, control, deliveries, invariants
from workflows.engine.reconcile import sweep
from workflows.executors import notices
from workflows.models import Callback, DagRun, Event, EventCursor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]
ALL = ["run_succeeded", "run_failed", "run_cancelled", "run_late", "task_failed", "task_retried"]


@pytest.fixture
def site(settings: Any, reload_conf: Callable[[], None]) -> Any:
    server = Site()
    server.routes["/hook"] = lambda request: request.answer(204)
    settings.CELERIAC = {
        **getattr(settings, "CELERIAC", {}),
        "HTTP_ALLOW_PRIVATE": ["127.0.0.1"],
        "CALLBACK_SECRET": "s3cret",
        "CALLBACK_TIMEOUT": 1.0,
        "CALLBACK_MAX_TRIES": 3,
    }
    reload_conf()
    yield server
    server.close()


def told(*on: str, url: str = "https://hooks.example/x?key=1", **more: Any) -> dict[str, Any]:
    return {"on": list(on), "webhook": {"url": url, **more}}


def run_of(*given: dict[str, Any], **fields: Any) -> DagRun:
    tasks = {"a": {"retry": {"max_attempts": 2, "delay": 0}}, "b": {"depends_on": ["a"]}}
    return start({**dag("told", **tasks), "callbacks": list(given), **fields})


def noted() -> list[tuple[str, str]]:
    rows = Callback.objects.order_by("event_id", "place")
    return [(row.payload["event"], row.task_id) for row in rows]


def collect() -> int:
    """Until nothing is left: the first look makes the cursor."""
    return callbacks.collect() + callbacks.collect()


def test_each_event_is_noted_once_for_each_callback_that_wants_it() -> None:
    run = run_of(told(*ALL), told("run_failed"), {"on": ["task_failed"], "email": {"to": ["a@example.com"]}})
    do(run, "a", Fail(message="no"))
    sweep()
    do(run, "a", Fail(message="no again"))
    sweep()
    assert state(run) == "failed"
    assert noted() == [
        *(("task_retried", "a"), ("task_failed", "a"), ("task_failed", "a")),
        *(("run_failed", ""), ("run_failed", "")),
    ]
    sweep()
    EventCursor.objects.filter(name="callbacks").update(seq=0)  # as after a restore
    assert collect() == 0
    first = Callback.objects.order_by("id")[0]
    assert first.payload["task"] == {
        **{"id": "a", "map_index": -1, "attempt": 1, "state": "retrying", "reason": "error", "message": "no"}
    }
    assert (first.payload["run"]["id"], first.payload["dag"]["version"]) == (run.pk, 1)
    assert first.address == "https://hooks.example/x"


def test_runs_without_callbacks_cost_nothing_but_the_look() -> None:
    run = start(dag(a={}))
    do(run, "a")
    assert (collect(), Callback.objects.count()) == (0, 0)
    assert EventCursor.objects.get(name="callbacks").seq > 0


def test_events_that_a_running_transaction_may_precede_are_left_for_later() -> None:
    collect()
    run = run_of(told("run_cancelled"))
    begun, go = threading.Event(), threading.Event()

    def hold() -> None:
        with connection.cursor() as cursor:
            cursor.execute("BEGIN")
            cursor.execute("SELECT pg_current_xact_id()")
            begun.set()
            go.wait(10)
            cursor.execute("COMMIT")
        connection.close()

    thread = threading.Thread(target=hold)
    thread.start()
    begun.wait(10)
    control.cancel_run(run.pk)
    assert collect() == 0
    go.set()
    thread.join()
    assert collect() == 1


def test_a_late_run_is_told_once() -> None:
    run = run_of(told("run_late"), config={"late_after": "1h"})
    assert sweep().late == 0
    DagRun.objects.filter(pk=run.pk).update(late_at=datetime.now(UTC) - timedelta(seconds=1))
    assert [sweep().late, sweep().late] == [1, 0]
    collect()
    assert noted() == [("run_late", "")]
    event = Event.objects.get(run=run, reason="late")
    assert (event.old, event.new) == ("running", "running")
    assert [each for each in invariants.audit(run.pk) if not each.holds] == []
    done = run_of(told("run_late"), config={"late_after": "1h"})
    control.cancel_run(done.pk)
    DagRun.objects.filter(pk=done.pk).update(late_at=datetime.now(UTC) - timedelta(seconds=1))
    assert sweep().late == 0
    assert DagRun.objects.get(pk=done.pk).late_at is None


def sent_one(run: DagRun) -> Callback:
    control.cancel_run(run.pk)
    collect()
    deliveries.deliver_for(5)
    return Callback.objects.get(run=run)


def test_a_webhook_is_signed(site: Site) -> None:
    hook = told("run_cancelled", url=f"{site.url}/hook", headers={"Authorization": "Bearer x", "Content-Type": "x"})
    callback = sent_one(run_of(hook))
    assert (callback.state, callback.tries, callback.message) == ("sent", 1, "answered 204")
    assert callback.next_try_at is None
    ((method, _, headers, body),) = site.seen
    assert (method, headers["authorization"], headers["content-type"]) == ("POST", "Bearer x", "application/json")
    signed = headers["celeriac-timestamp"].encode() + b"." + body
    expected = hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest()
    assert headers["celeriac-signature"] == f"v1={expected}"
    assert headers["celeriac-event-id"] == str(callback.event_id)
    assert json.loads(body) == callback.payload


def test_the_secret_is_derived_when_none_is_set(settings: Any, reload_conf: Callable[[], None]) -> None:
    settings.CELERIAC = {**settings.CELERIAC, "CALLBACK_SECRET": ""}
    conf.reload()
    first = notices.secret()
    assert len(first) == 64
    settings.SECRET_KEY = "another"
    assert notices.secret() != first


def test_a_refusal_is_tried_again_later_and_given_up_in_the_end(site: Site) -> None:
    site.routes["/hook"] = lambda request: request.answer(500, b"no\n way")
    callback = sent_one(run_of(told("run_cancelled", url=f"{site.url}/hook")))
    assert (callback.state, callback.tries, callback.message) == ("pending", 1, "answered 500: no way")
    assert callback.next_try_at is not None
    assert timedelta(seconds=5) < callback.next_try_at - datetime.now(UTC) < timedelta(seconds=15)
    for tries in (2, 3):
        Callback.objects.update(next_try_at=datetime.now(UTC))
        deliveries.deliver_for(5)
        callback.refresh_from_db()
        assert callback.tries == tries
    assert (callback.state, callback.next_try_at) == ("failed", None)
    assert callback.message == "answered 500: no way (given up after 3 tries)"
    site.routes["/hook"] = lambda request: request.answer(200)
    assert callbacks.resend(callback.pk) == 1
    assert deliveries.deliver_for(5) == 1
    callback.refresh_from_db()
    assert (callback.state, callback.tries) == ("sent", 1)
    with pytest.raises(UnknownCallback):
        callbacks.resend(4711)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda request: request.hang_up(), "RemoteProtocolError"),
        (lambda request: request.answer(302, Location="/other"), "answered 302"),
    ],
)
def test_answers_that_are_none(site: Site, answer: Any, message: str) -> None:
    site.routes["/hook"] = answer
    callback = sent_one(run_of(told("run_cancelled", url=f"{site.url}/hook")))
    assert callback.state == "pending"
    assert message in callback.message


def test_private_addresses_are_refused_for_good(site: Site, settings: Any) -> None:
    settings.CELERIAC = {**settings.CELERIAC, "HTTP_ALLOW_PRIVATE": []}
    conf.reload()
    callback = sent_one(run_of(told("run_cancelled", url=f"{site.url}/hook")))
    assert callback.state == "failed"
    assert "not a public address" in callback.message
    assert site.seen == []


def test_an_email(site: Site) -> None:
    email = {"to": ["a@example.com", "b@example.com"], "subject": "{{ dag.id }} {{ event.name }}"}
    callback = sent_one(run_of({"on": "run_cancelled", "email": email}))
    assert (callback.state, callback.address) == ("sent", "a@example.com, b@example.com")
    (message,) = mail.outbox
    assert (message.subject, message.to) == ("told run_cancelled", ["a@example.com", "b@example.com"])
    assert message.extra_headers["X-Celeriac-Event"] == str(callback.event_id)


def test_a_try_that_was_taken_and_not_answered_for_comes_again(site: Site) -> None:
    run = run_of(told("run_cancelled", url=f"{site.url}/hook"))
    control.cancel_run(run.pk)
    collect()
    taken = deliveries.take()
    assert taken is not None
    assert deliveries.take() is None  # while its sender may still be at it
    Callback.objects.update(next_try_at=datetime.now(UTC))
    again = deliveries.take()
    assert again is not None
    assert again.tries == 2
    deliveries.deliver(again)
    deliveries.deliver(taken)  # the first sender was only slow: what it writes changes nothing
    callback = Callback.objects.get()
    assert (callback.state, callback.tries) == ("sent", 2)


def test_a_slow_receiver_holds_up_neither_the_sweep_nor_the_others(site: Site) -> None:
    slow = Site()
    slow.routes["/hook"] = lambda request: slow.stop.wait(30) and request.answer(200)
    fast = told("run_cancelled", url=f"{site.url}/hook")
    runs = [run_of(told("run_cancelled", url=f"{slow.url}/hook"), fast) for _ in range(6)]
    for run in runs:
        control.cancel_run(run.pk)
    collect()
    postman = deliveries.Postman(0.05)
    postman.start()
    try:
        eventually(lambda: len(site.seen) == 6, 10)
        assert len(slow.seen) <= 2 * deliveries.PER_HOST
    finally:
        slow.stop.set()
        postman.stop(5)
        slow.close()
