"""Addresses that a task may not reach, however they are written; no connection may be made to any."""

from __future__ import annotations

import socket
from ipaddress import ip_address

import httpcore
import pytest

from tests.unit.operators.fakes import run
from workflows.core.outcome import Done, Fail
from workflows.operators.http import guard

REFUSED = [
    "http://127.0.0.1:{port}/",
    "http://localhost:{port}/",
    "http://LOCALHOST.:{port}/",
    "http://127.1:{port}/",
    "http://127.127.127.127:{port}/",
    "http://0.0.0.0:{port}/",
    "http://0:{port}/",
    "http://2130706433:{port}/",
    "http://0x7f000001:{port}/",
    "http://0x7f.1:{port}/",
    "http://0177.0.0.1:{port}/",
    "http://017700000001:{port}/",
    "http://[::1]:{port}/",
    "http://[::]:{port}/",
    "http://[0:0:0:0:0:0:0:1]:{port}/",
    "http://[::ffff:127.0.0.1]:{port}/",
    "http://[::ffff:7f00:1]:{port}/",
    "http://[::127.0.0.1]:{port}/",
    "http://[64:ff9b::127.0.0.1]:{port}/",
    "http://[64:ff9b:1::7f00:1]:{port}/",
    "http://[2002:7f00:1::]:{port}/",
    "http://[2001:0:7f00:1:0:0:80ff:fffe]:{port}/",
    "http://[fe80::1]/",
    "http://[fc00::1]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://10.0.0.1/",
    "http://172.16.0.1/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://192.0.0.1/",
    "http://192.0.2.1/",
    "http://198.18.0.1/",
    "http://224.0.0.1/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://user:pass@127.0.0.1:{port}/",
    "http://example.com@127.0.0.1:{port}/",
    "http://127.0.0.1:{port}#@example.com/",
    "https://127.0.0.1:{port}/",
]


@pytest.mark.parametrize("url", REFUSED)
def test_a_private_address_is_refused_in_any_spelling(site, url, configure):
    configure(HTTP_ALLOW_PRIVATE=[])
    outcome = run("http", url=url.format(port=site.port), timeout=5)
    assert isinstance(outcome, Fail)
    # Some spellings are no host at all to the resolver, or to the URL parser, which is as good.
    known = ("not a public address", "cannot be resolved", "Invalid IPv4 address")
    assert any(text in outcome.message for text in known), outcome.message
    assert site.seen == []


def test_most_spellings_are_refused_for_their_address_and_not_by_luck(configure):
    configure(HTTP_ALLOW_PRIVATE=[])
    messages = [run("http", url=url.format(port=9), timeout=5).message for url in REFUSED]
    assert sum("not a public address" in message for message in messages) >= 40


@pytest.mark.parametrize("onward", ["http://169.254.169.254/", "http://127.0.0.1:{port}/", "http://[::1]/"])
def test_a_redirect_to_a_private_address_is_refused(site, other_site, configure, onward):
    configure(HTTP_ALLOW_PRIVATE=[f"127.0.0.1:{site.port}"])
    site.routes["/x"] = lambda r: r.answer(302, Location=onward.format(port=other_site.port))
    outcome = run("http", url=f"{site.url}/x")
    assert isinstance(outcome, Fail)
    assert "not a public address" in outcome.message
    assert outcome.permanent
    assert (len(site.seen), other_site.seen) == (1, [])


@pytest.mark.parametrize("onward", ["file:///etc/passwd", "gopher://127.0.0.1/", "ftp://example.com/"])
def test_a_redirect_to_another_scheme_is_refused(site, configure, onward):
    configure(HTTP_ALLOW_PRIVATE=[f"127.0.0.1:{site.port}"])
    site.routes["/x"] = lambda r: r.answer(302, Location=onward)
    assert isinstance(run("http", url=f"{site.url}/x"), Fail)


def test_one_private_address_among_public_ones_is_enough_to_refuse():
    with pytest.raises(guard.Forbidden):
        guard.checked("x.example", 80, (), lambda host, port: ["93.184.215.14", "10.0.0.1"])


def test_the_address_that_was_checked_is_the_one_that_is_dialled(monkeypatch):
    """DNS rebinding: a name that is public when asked first and private ever after."""
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    asked: list[str] = []
    dialled: list[str] = []

    def resolve(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    def dial(self, host, port, timeout=None, local_address=None, socket_options=None):
        dialled.append(host)
        raise httpcore.ConnectError("enough")

    monkeypatch.setattr(httpcore.SyncBackend, "connect_tcp", dial)
    backend = guard.GuardedBackend(guard.Deadline(5), (), resolve)
    with pytest.raises(httpcore.ConnectError):
        backend.connect_tcp("rebind.example", 80)
    with pytest.raises(guard.Forbidden):
        backend.connect_tcp("rebind.example", 80)
    assert (asked, dialled) == (["rebind.example"] * 2, ["93.184.215.14"])


def test_the_whole_task_resolves_a_name_once_per_connection(site, configure, monkeypatch):
    calls: list[str] = []
    real = socket.getaddrinfo

    def count(host, *args, **kwargs):
        calls.append(host)
        return real("127.0.0.1" if host == "rebind.example" else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", count)
    configure(HTTP_ALLOW_PRIVATE=["rebind.example"])
    site.routes["/x"] = lambda r: r.answer(body=b"1")
    assert isinstance(run("http", url=f"http://rebind.example:{site.port}/x"), Done)
    assert calls.count("rebind.example") == 1


@pytest.mark.parametrize(
    ("entry", "allowed"),
    [
        ("db.example", True),
        ("DB.example", True),
        ("db.example:80", True),
        ("db.example:81", False),
        ("b.example", False),
        ("10.0.0.0/8", True),
        ("10.0.0.5", True),
        ("10.0.0.6", False),
        ("10.0.0.5/32", True),
        ("::ffff:10.0.0.0/104", False),
        ("nonsense/99", False),
    ],
)
def test_entries_of_the_setting(entry, allowed):
    assert guard.is_allowed("db.example", 80, ip_address("10.0.0.5"), (entry,)) is allowed


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c", "64:ff9b::5db8:d70e"])
def test_public_addresses_are_public(address):
    assert guard.is_public(ip_address(address))
