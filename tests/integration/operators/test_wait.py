"""One look of a wait at real answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from tests.unit.operators.fakes import Log, context, run
from workflows.core.outcome import Defer, Done, Fail, Question
from workflows.operators import registry


@pytest.fixture
def allowed(configure, site):
    configure(HTTP_ALLOW_PRIVATE=[f"127.0.0.1:{site.port}"])


def again(outcome) -> Defer:
    assert isinstance(outcome, Defer), outcome
    assert outcome.output is None
    return outcome


def test_a_time_to_come_is_waited_for_in_its_zone():
    outcome = run("wait", until="2999-07-01T12:00", timezone="Europe/Berlin")
    at = datetime(2999, 7, 1, 10, tzinfo=UTC)
    assert outcome == Defer(until=at, output={"until": at.isoformat()}, message=f"waits until {at.isoformat()}")


def test_an_offset_goes_before_the_zone_and_a_time_that_has_passed_is_no_wait():
    moment = datetime.now(UTC) - timedelta(seconds=1)
    assert run("wait", until=moment.isoformat(), timezone="Asia/Tokyo") == Done(output={"until": moment.isoformat()})


def test_a_duration():
    assert run("wait", **{"for": "1m30s"}) == Defer(until=90.0, output={"seconds": 90.0}, message="waits for 90 s")


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"for": 1, "until": "2026-01-01"},
        {"for": 1, "expect": "answer"},
        {"until": "soon"},
        {"until": "2026-01-01", "timezone": "Middle/Earth"},
        {"sql": {"connection": "d", "query": "select 1"}, "every": 0},
    ],
)
def test_what_makes_no_wait_is_refused(parameters):
    with pytest.raises(ValidationError):
        context("wait", **parameters)


@pytest.mark.usefixtures("allowed")
def test_http_until_the_status_is_right(site):
    site.routes["/x"] = lambda r: r.answer(503, b"<html>")
    outcome = again(run("wait", http={"url": f"{site.url}/x"}, every="5s", on_error="fail"))
    assert (outcome.until, outcome.message) == (5.0, "not yet: answered 503")
    site.routes["/x"] = lambda r: r.answer(200, b'{"n": 1}')
    done = run("wait", http={"url": f"{site.url}/x"})
    assert isinstance(done, Done)
    assert (done.output["status"], done.output["json"], "text" in done.output) == (200, {"n": 1}, False)


@pytest.mark.usefixtures("allowed")
def test_http_until_an_expression_over_the_answer_holds(site):
    given = {
        "http": {"url": f"{site.url}/x", "method": "POST", "json": {"a": 1}, "expected_status": [200, 202]},
        "expect": "answer.json.state == 'done' and answer.status == 200",
    }
    for status, body in ((202, b'{"state": "busy"}'), (200, b'{"state": "busy"}'), (200, b"not json")):
        site.routes["/x"] = lambda r, status=status, body=body: r.answer(status, body)
        again(run("wait", **given))
    site.routes["/x"] = lambda r: r.answer(200, b'{"state": "done"}')
    assert isinstance(run("wait", **given), Done)
    assert site.seen[-1][3] == b'{"a":1}'


@pytest.mark.usefixtures("allowed")
def test_an_error_is_not_yet_unless_it_is_to_fail(site):
    site.routes["/x"] = lambda r: r.hang_up()
    log = Log()
    outcome = again(run("wait", http={"url": f"{site.url}/x"}, log=log))
    assert "not yet: GET" in outcome.message
    assert log.text("system") == f"{outcome.message}\n"
    assert isinstance(run("wait", http={"url": f"{site.url}/x"}, on_error="fail"), Fail)


def test_what_can_never_end_well_fails_at_once(configure):
    configure(HTTP_ALLOW_PRIVATE=[], SQL_CONNECTIONS={})
    for parameters in (
        {"http": {"url": "http://127.0.0.1:1/x"}},
        {"sql": {"connection": "nope", "query": "select 1"}},
    ):
        outcome = run("wait", **parameters)
        assert isinstance(outcome, Fail)
        assert outcome.permanent


@pytest.mark.usefixtures("allowed")
def test_a_look_ends_before_the_wait_does(site):
    site.routes["/x"] = lambda r: site.stop.wait(5)
    outcome = again(run("wait", http={"url": f"{site.url}/x"}, timeout=0.5))
    assert "0.4 s" in outcome.message


@pytest.mark.parametrize(
    ("query", "over"),
    [
        ("select 1", True),
        ("select 0", False),
        ("select null", False),
        ("select 'no'", False),
        ("select 1 where 1 = 0", False),
        ("select count(*) > 0 from orders", None),
    ],
)
def test_sql_until_the_first_value_is_true(configure, tmp_path, query, over):
    configure(SQL_CONNECTIONS={"d": f"sqlite:///{tmp_path}/d.db"})
    outcome = run("wait", sql={"connection": "d", "query": query})
    assert isinstance(outcome, Done if over else Defer)
    assert ("no such table" in getattr(outcome, "message", "")) is (over is None)


def test_sql_with_an_expression(configure, tmp_path):
    configure(SQL_CONNECTIONS={"d": f"sqlite:///{tmp_path}/d.db"})
    given = {"sql": {"connection": "d", "query": "select :n as n, 2 as m", "bind": {"n": 3}}}
    assert run("wait", expect="answer.row.n > 2 and answer.value == 3", **given) == Done(
        output={"value": 3, "row": {"n": 3, "m": 2}}
    )
    again(run("wait", expect="answer.row.m > 2", **given))


def test_an_approval_asks():
    asked = run("approval", prompt="Go?", users=["ada"], groups=["release"], on_timeout="skip", on_reject="skip")
    question = Question(prompt="Go?", users=("ada",), groups=("release",), on_timeout="skip", on_reject="skip")
    assert asked == Defer(message="waits for an answer of ada, group release", question=question)
    assert "anyone" in run("approval").message


def test_expect_may_name_the_context_too(configure, tmp_path):
    configure(SQL_CONNECTIONS={"d": f"sqlite:///{tmp_path}/d.db"})
    ctx = context("wait", sql={"connection": "d", "query": "select 3"}, expect="answer.value == params.n")
    asked = []

    def evaluate(text, names):
        asked.append((text, names))
        return True

    assert isinstance(registry.get("wait").run(replace(ctx, evaluate=evaluate)), Done)
    assert asked == [("answer.value == params.n", {"answer": {"value": 3, "row": {"3": 3}}})]
