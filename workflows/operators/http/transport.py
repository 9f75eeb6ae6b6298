"""Carries httpx requests over guarded connections; ignores the proxies of the environment."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Iterator

import httpcore
import httpx

from workflows.operators.http.guard import GuardedBackend


class GuardedTransport(httpx.BaseTransport):
    """What httpx.HTTPTransport does, with a network backend of ours."""

    def __init__(self, backend: GuardedBackend, *, verify: bool) -> None:
        context = httpx.create_ssl_context(verify=verify, trust_env=False)
        self._pool = httpcore.ConnectionPool(
            ssl_context=context, network_backend=backend, max_connections=1, max_keepalive_connections=0
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; errors are httpcore's and ours."""
        stream = request.stream
        url = request.url
        answer = self._pool.handle_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=stream if isinstance(stream, httpx.SyncByteStream) else b"",
            )
        )
        body = answer.stream
        if not isinstance(body, Iterable):
            raise TypeError("expected a synchronous answer")
        return httpx.Response(answer.status, headers=answer.headers, stream=_Body(body))

    def close(self) -> None:
        """Close every connection."""
        self._pool.close()


class _Body(httpx.SyncByteStream):
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        yield from self._chunks

    def close(self) -> None:
        close = getattr(self._chunks, "close", None)
        if close is not None:
            close()


NETWORK_ERRORS: tuple[type[Exception], ...] = (
    httpcore.NetworkError,
    httpcore.ProtocolError,
    httpcore.TimeoutException,
    httpcore.ProxyError,
    httpx.TransportError,
    ssl.SSLError,
    OSError,
)
