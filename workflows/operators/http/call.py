"""Send the request of an http task and judge its answer."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any

from workflows.conf import conf
from workflows.core.outcome import Done, Fail, Json, Outcome, Retry
from workflows.core.states import Reason
from workflows.operators.base import Context
from workflows.operators.http.parameters import HttpParameters

if TYPE_CHECKING:
    import httpx

MAX_REDIRECTS = 5
RETRY_AFTER_MAX = 3_600.0  # a server may not put a task to sleep for longer
KEPT_ACROSS_HOSTS = frozenset({"host", "accept", "accept-encoding", "user-agent", "content-type", "content-length"})
BUSY = frozenset({429, 503})


class Refused(Exception):
    """The request or its answer is not acceptable; the message says why."""


class TooLarge(Refused):
    """The answer is larger than it may be."""


def run(ctx: Context[HttpParameters]) -> Outcome:
    """Send, follow, read, judge. Whatever goes wrong on the way is a failure that may be retried."""
    # Imported here: httpx takes longer to import than everything else the web process needs of this package.
    import httpx

    from workflows.operators.http.guard import Deadline, Forbidden, GuardedBackend, OutOfTime, system_resolver
    from workflows.operators.http.transport import NETWORK_ERRORS, GuardedTransport

    given = ctx.parameters
    deadline = Deadline(min(given.timeout, ctx.task.timeout or given.timeout))
    backend = GuardedBackend(deadline, conf.HTTP_ALLOW_PRIVATE, system_resolver)
    where = given.url
    try:
        with httpx.Client(transport=GuardedTransport(backend, verify=given.verify), trust_env=False) as client:
            request = build(client, ctx)
            where = shown(request.url)
            answer, body = exchange(client, request, given)
    except Forbidden as error:
        return Fail(message=f"Refused: {error}", permanent=True)
    except OutOfTime as error:
        return Fail(message=f"{given.method} {where}: {error}", reason=Reason.TIMED_OUT)
    except TooLarge as error:
        return Fail(message=f"{given.method} {where}: {error}", reason=Reason.OUTPUT_TOO_LARGE)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol, Refused, ValueError) as error:
        return Fail(message=f"{given.method} {where}: {error}", reason=Reason.BAD_INPUT)
    except NETWORK_ERRORS as error:
        return Fail(message=f"{given.method} {where}: {type(error).__name__}: {error}")
    ctx.log.write(f"{given.method} {where} -> {answer.status_code}, {len(body)} bytes\n")
    return judge(given, where, answer, body)


def build(client: httpx.Client, ctx: Context[HttpParameters]) -> httpx.Request:
    """The request, with a key by which the receiver can tell a repetition of an unsafe one."""
    import httpx

    given = ctx.parameters
    headers = {"accept-encoding": "gzip, deflate", "user-agent": "celeriac"}
    headers |= {name.lower(): value for name, value in given.headers.items()}
    if given.method not in ("GET", "HEAD", "OPTIONS"):
        headers.setdefault("idempotency-key", ctx.idempotency_key)
    body: dict[str, Any] = {}
    if given.json_body is not None:
        body["json"] = given.json_body
    elif given.body is not None:
        body["content"] = given.body
    url = httpx.URL(given.url).copy_merge_params(given.params)
    request = client.build_request(given.method, url, headers=headers, **body)
    if given.auth is not None:
        request = next(_basic(given).auth_flow(request))
    return request


def _basic(given: HttpParameters) -> httpx.BasicAuth:
    import httpx

    assert given.auth is not None
    return httpx.BasicAuth(given.auth.user, given.auth.password)


_UNLOGGED: ContextVar[bool] = ContextVar("unlogged", default=False)
logging.getLogger("httpx").addFilter(lambda record: not _UNLOGGED.get())


@contextmanager
def unlogged() -> Iterator[None]:
    """Keep httpx from logging our URL, whose query may hold a secret."""
    token = _UNLOGGED.set(True)
    try:
        yield
    finally:
        _UNLOGGED.reset(token)


def exchange(client: httpx.Client, request: httpx.Request, given: HttpParameters) -> tuple[httpx.Response, bytes]:
    """Send the request, follow its redirects, and read the last answer up to the limit."""
    limit = min(given.max_bytes or conf.HTTP_MAX_BYTES, conf.HTTP_MAX_BYTES)
    for _ in range(MAX_REDIRECTS + 1):
        if request.url.scheme not in ("http", "https") or not request.url.host:
            raise Refused("only http and https URLs with a host are allowed")
        with unlogged():
            answer = client.send(request, stream=True, follow_redirects=False)
        with closing(answer):
            onward = answer.next_request if given.follow_redirects else None
            if onward is None:
                keep = given.output in ("json", "text") or not given.expects(answer.status_code)
                return answer, read(answer, limit) if keep else b""
            request = stripped(onward, request)
    raise Refused(f"more than {MAX_REDIRECTS} redirects")


def stripped(onward: httpx.Request, before: httpx.Request) -> httpx.Request:
    """The next request, without what was meant for the first host only."""
    old, new = before.url, onward.url
    if (old.scheme, old.host, old.port) != (new.scheme, new.host, new.port):
        for name in list(onward.headers):
            if name.lower() not in KEPT_ACROSS_HOSTS:
                del onward.headers[name]
    return onward


def read(answer: httpx.Response, limit: int) -> bytes:
    """The unpacked body, never more than `limit` bytes of it in memory, however well it was packed."""
    body = bytearray()
    for chunk in unpacked(answer, limit):
        body += chunk
        if len(body) > limit:
            raise TooLarge(f"the answer is larger than {limit} bytes")
    return bytes(body)


def unpacked(answer: httpx.Response, limit: int) -> Iterator[bytes]:
    """The body's chunks, unpacked at most `limit` bytes at a time."""
    coding = answer.headers.get("content-encoding", "identity").strip().lower()
    if coding in ("", "identity"):
        yield from answer.iter_raw()
        return
    if coding not in ("gzip", "deflate"):
        raise Refused(f"the answer is packed in a way we did not ask for: {coding[:20]!r}")
    unpack = zlib.decompressobj(47 if coding == "gzip" else 15)
    for chunk in answer.iter_raw():
        try:
            yield unpack.decompress(chunk, limit + 1)
        except zlib.error as error:
            raise Refused(f"the answer cannot be unpacked: {error}") from None
        if unpack.unconsumed_tail:
            raise TooLarge(f"the answer is larger than {limit} bytes")


def judge(given: HttpParameters, where: str, answer: httpx.Response, body: bytes) -> Outcome:
    """The outcome of an answer."""
    status = answer.status_code
    if not given.expects(status):
        message = f"{given.method} {where}: answered {status} {answer.reason_phrase}".rstrip()
        text = " ".join(body[:300].decode("utf-8", "replace").split())
        message = f"{message}: {text}" if text else message
        after = retry_after(answer) if status in BUSY else None
        return Fail(message=message) if after is None else Retry(message=message, after=after)
    output: dict[str, Json] = {"status": status}
    if given.output == "none":
        return Done(output=output)
    output["headers"] = dict(answer.headers)
    if given.output == "text":
        output["text"] = body.decode(answer.charset_encoding or "utf-8", "replace")
    elif given.output == "json":
        try:
            output["json"] = json.loads(body) if body.strip() else None
        except (ValueError, RecursionError) as error:
            return Fail(message=f"{given.method} {where}: the answer is not JSON: {error}")
    return Done(output=output)


def retry_after(answer: httpx.Response) -> float | None:
    """How many seconds the server asks us to wait, if it does."""
    text = answer.headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), RETRY_AFTER_MAX)
    try:
        moment = parsedate_to_datetime(text)
    except (TypeError, ValueError):
        return None
    seconds = (moment.replace(tzinfo=moment.tzinfo or UTC) - datetime.now(UTC)).total_seconds()
    return min(max(seconds, 0.0), RETRY_AFTER_MAX)


def shown(url: httpx.URL) -> str:
    """The URL as it may appear in logs: without user, password and query."""
    return str(url.copy_with(userinfo=b"", query=None, fragment=None))
