from __future__ import annotations

import gzip
import json
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from tests.unit.operators.fakes import Log, run
from workflows.core.outcome import Done, Fail, Retry
from workflows.core.states import Reason


@pytest.fixture(autouse=True)
def _allowed(configure, site, other_site):
    configure(
        HTTP_ALLOW_PRIVATE=[
            f"127.0.0.1:{site.port}",
            f"localhost:{site.port}",
            f"127.0.0.1:{other_site.port}",
        ]
    )


def fails(outcome) -> Fail:
    assert isinstance(outcome, Fail), outcome
    return outcome


def test_json_comes_back(site, caplog):
    caplog.set_level("INFO")
    site.routes["/x"] = lambda r: r.answer(body=b'{"a": 1}', X_Thing="yes")
    log = Log()
    outcome = run("http", url=f"{site.url}/x?a=1", params={"b": ["2", "3"], "c": "x y"}, log=log)
    assert isinstance(outcome, Done)
    assert (outcome.output["status"], outcome.output["json"]) == (200, {"a": 1})
    assert outcome.output["headers"]["x-thing"] == "yes"
    assert site.seen[0][1] == "/x?a=1&b=2&b=3&c=x+y"
    assert site.seen[0][2]["host"] == f"127.0.0.1:{site.port}"
    assert "idempotency-key" not in site.seen[0][2]
    assert caplog.text == ""
    assert log.text() == f"GET {site.url}/x -> 200, 8 bytes\n"


def test_bodies_headers_authentication_and_the_idempotency_key(site):
    site.routes["/x"] = lambda r: r.answer(201)
    auth = {"user": "u", "password": "p"}
    outcome = run("http", method="POST", url=f"{site.url}/x", json={"a": [1]}, headers={"X-A": "b"}, auth=auth)
    assert outcome.output["json"] is None
    method, _, headers, body = site.seen[0]
    assert (method, json.loads(body), headers["content-type"]) == ("POST", {"a": [1]}, "application/json")
    assert (headers["x-a"], headers["authorization"]) == ("b", "Basic dTpw")
    assert headers["idempotency-key"] == "7:step"
    run("http", method="PUT", url=f"{site.url}/x", body="é", headers={"Idempotency-Key": "mine"})
    assert (site.seen[1][3], site.seen[1][2]["idempotency-key"]) == ("é".encode(), "mine")


def test_what_is_kept_can_be_chosen(site):
    site.routes["/x"] = lambda r: r.answer(body="é".encode("latin-1"), Content_Type="text/plain; charset=latin-1")
    assert run("http", url=f"{site.url}/x", output="text").output["text"] == "é"
    assert set(run("http", url=f"{site.url}/x", output="headers").output) == {"status", "headers"}
    assert run("http", url=f"{site.url}/x", output="none").output == {"status": 200}
    assert "not JSON" in fails(run("http", url=f"{site.url}/x")).message


@pytest.mark.parametrize(
    ("expected", "status", "good"),
    [
        ("2xx", 204, True),
        ("2xx", 404, False),
        ([200, 404], 404, True),
        (["2xx", "5XX"], 503, True),
        ("200", 200, True),
    ],
)
def test_expected_statuses(site, expected, status, good):
    site.routes["/x"] = lambda r: r.answer(status)
    outcome = run("http", url=f"{site.url}/x", expected_status=expected)
    assert isinstance(outcome, Done) is good


def test_an_unexpected_status_fails_with_the_answers_own_words(site):
    site.routes["/x"] = lambda r: r.answer(404, b"no   such\norder")
    outcome = fails(run("http", url=f"{site.url}/x?token=secret"))
    assert outcome == Fail(message=f"GET {site.url}/x: answered 404 Not Found: no such order")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_when_it_says(site, status):
    site.routes["/x"] = lambda r: r.answer(status, Retry_After="17")
    outcome = run("http", url=f"{site.url}/x")
    assert isinstance(outcome, Retry)
    assert outcome.after == 17
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    site.routes["/x"] = lambda r: r.answer(status, Retry_After=later)
    assert 90 < run("http", url=f"{site.url}/x").after <= 100
    site.routes["/x"] = lambda r: r.answer(status, Retry_After="soon")
    fails(run("http", url=f"{site.url}/x"))


def test_redirects_are_followed_and_secrets_stay_with_the_first_host(site, other_site):
    site.routes["/a"] = lambda r: r.answer(302, Location="/b")
    site.routes["/b"] = lambda r: r.answer(302, Location=f"{other_site.url}/c")
    other_site.routes["/c"] = lambda r: r.answer(body=b"1")
    auth = {"user": "u", "password": "p"}
    outcome = run("http", url=f"{site.url}/a", headers={"X-Api-Key": "s3cret"}, auth=auth)
    assert outcome.output["json"] == 1
    assert site.seen[1][2]["x-api-key"] == "s3cret"
    assert not {"x-api-key", "authorization", "idempotency-key"} & set(other_site.seen[0][2])


def test_redirects_end(site):
    site.routes["/a"] = lambda r: r.answer(302, Location="/a")
    assert "more than 5 redirects" in fails(run("http", url=f"{site.url}/a")).message
    assert len(site.seen) == 6
    outcome = run("http", url=f"{site.url}/a", follow_redirects=False, expected_status=302, output="headers")
    assert outcome.output["headers"]["location"] == "/a"


def test_large_answers_are_cut_short_packed_or_not(site):
    site.routes["/x"] = lambda r: r.answer(body=b'"' + b"x" * 5000 + b'"')
    assert run("http", url=f"{site.url}/x").output["json"] == "x" * 5000
    outcome = fails(run("http", url=f"{site.url}/x", max_bytes=5000))
    assert outcome.reason is Reason.OUTPUT_TOO_LARGE
    site.routes["/z"] = lambda r: r.answer(body=gzip.compress(b"[1]"), Content_Encoding="gzip")
    assert run("http", url=f"{site.url}/z").output["json"] == [1]
    bomb = gzip.compress(b"0" * 50_000_000)
    site.routes["/bomb"] = lambda r: r.answer(body=bomb, Content_Encoding="gzip")
    assert fails(run("http", url=f"{site.url}/bomb")).reason is Reason.OUTPUT_TOO_LARGE
    site.routes["/odd"] = lambda r: r.answer(body=b"x", Content_Encoding="br")
    assert "packed" in fails(run("http", url=f"{site.url}/odd")).message


def test_a_server_that_drips_cannot_hold_the_task(site):
    def drip(request):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not site.stop.wait(0.05):
            try:
                request.wfile.write(b"x")
            except OSError:
                return

    site.routes["/x"] = drip
    begun = time.monotonic()
    outcome = fails(run("http", url=f"{site.url}/x", timeout=0.5))
    assert outcome.reason is Reason.TIMED_OUT
    assert time.monotonic() - begun < 3


def test_the_tasks_own_timeout_counts_too(site):
    site.routes["/x"] = lambda r: site.stop.wait(10)
    assert fails(run("http", timeout=0.3, url=f"{site.url}/x")).reason is Reason.TIMED_OUT


def test_network_failures_may_be_retried(site, configure):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    configure(HTTP_ALLOW_PRIVATE=["127.0.0.0/8"])
    outcome = fails(run("http", url=f"http://127.0.0.1:{port}/"))
    assert "ConnectError" in outcome.message
    assert not outcome.permanent
    site.routes["/x"] = lambda r: r.hang_up()
    assert not fails(run("http", url=f"{site.url}/x")).permanent


def test_proxies_of_the_environment_are_ignored(site, monkeypatch):
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    site.routes["/x"] = lambda r: r.answer(body=b"1")
    assert run("http", url=f"{site.url}/x").output["json"] == 1


def test_a_host_name_can_be_allowed(site):
    site.routes["/x"] = lambda r: r.answer(body=b"1")
    assert run("http", url=f"http://localhost:{site.port}/x").output["json"] == 1
    assert site.seen[0][2]["host"] == f"localhost:{site.port}"


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.com/",
        "file:///etc/passwd",
        "//x",
        "/x",
        "http://",
        "gopher://x",
        "http://[::1",
        "http://a:b",
    ],
)
def test_only_http_urls_are_taken(url):
    assert fails(run("http", url=url)).reason is Reason.BAD_INPUT
