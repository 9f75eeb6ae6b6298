"""Messages to the world outside: signed requests and e-mails. One try each; who calls counts them."""

from __future__ import annotations

import hashlib
import hmac
import json
import smtplib
import time
from collections.abc import Mapping
from typing import Any

from django.core.mail import EmailMessage, get_connection
from django.utils.crypto import salted_hmac

from workflows.conf import conf
from workflows.core import callbacks
from workflows.core.errors import RenderError

ANSWER_SHOWN = 200  # characters of a refusal that are kept


class Undeliverable(Exception):
    """A message was not taken; `permanent` when another try would be refused in the same way."""

    def __init__(self, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.permanent = permanent


def send(kind: str, target: Mapping[str, Any], payload: Mapping[str, Any], *, delivery_id: int) -> str:
    """Send one message; what was answered, in words. Raises Undeliverable."""
    if kind == "webhook":
        return _request(target, payload, delivery_id)
    return _email(target, payload)


def secret() -> str:
    """What webhooks are signed with: the setting CALLBACK_SECRET, or a value derived from SECRET_KEY."""
    given: str = conf.CALLBACK_SECRET
    return given or salted_hmac("celeriac.callbacks", "v1", algorithm="sha256").hexdigest()


def signature(key: str, timestamp: str, body: bytes) -> str:
    """HMAC-SHA256 over `<timestamp>.<body>`, in hex: an old message cannot be sent again with a new time."""
    return hmac.new(key.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def headers_of(target: Mapping[str, Any], payload: Mapping[str, Any], body: bytes, delivery_id: int) -> dict[str, str]:
    """The headers of a webhook: the document's own, and ours, which win."""
    timestamp = str(int(time.time()))
    return {
        **{name.lower(): value for name, value in target.get("headers", {}).items()},
        "content-type": "application/json",
        "user-agent": "celeriac",
        "celeriac-event": payload["event"],
        "celeriac-event-id": str(payload["id"]),
        "celeriac-delivery": str(delivery_id),
        "celeriac-timestamp": timestamp,
        "celeriac-signature": f"v1={signature(secret(), timestamp, body)}",
    }


def _request(target: Mapping[str, Any], payload: Mapping[str, Any], delivery_id: int) -> str:
    # Imported here, as in operators.http: httpx takes long to import.
    import httpx

    from workflows.operators.http.call import unlogged
    from workflows.operators.http.guard import Deadline, Forbidden, GuardedBackend, OutOfTime, system_resolver
    from workflows.operators.http.transport import NETWORK_ERRORS, GuardedTransport

    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    backend = GuardedBackend(Deadline(conf.CALLBACK_TIMEOUT), conf.HTTP_ALLOW_PRIVATE, system_resolver)
    try:
        with httpx.Client(transport=GuardedTransport(backend, verify=True), trust_env=False) as client, unlogged():
            headers = headers_of(target, payload, body, delivery_id)
            request = client.build_request("POST", target["url"], headers=headers, content=body)
            answer = client.send(request, stream=True, follow_redirects=False)
            shown = _beginning(answer)
    except (Forbidden, httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Undeliverable(str(error), permanent=True) from error
    except OutOfTime as error:
        raise Undeliverable(str(error)) from error
    except NETWORK_ERRORS as error:
        raise Undeliverable(f"{type(error).__name__}: {error}") from error
    if not answer.is_success:
        raise Undeliverable(f"answered {answer.status_code}{f': {shown}' if shown else ''}")
    return f"answered {answer.status_code}"


def _beginning(answer: Any) -> str:
    """The first characters of an answer; the rest is not read."""
    text = b""
    for chunk in answer.iter_raw():
        text += chunk
        if len(text) >= ANSWER_SHOWN:
            break
    answer.close()
    return " ".join(text[:ANSWER_SHOWN].decode("utf-8", "replace").split())


def _email(target: Mapping[str, Any], payload: Mapping[str, Any]) -> str:
    try:
        subject, body = callbacks.email_text(target, payload, max_chars=conf.RENDER_MAX_CHARS)
    except RenderError as error:
        raise Undeliverable(str(error), permanent=True) from error
    headers = {"X-Celeriac-Event": str(payload["id"]), "Auto-Submitted": "auto-generated"}
    try:
        connection = get_connection(timeout=conf.CALLBACK_TIMEOUT)
        message = EmailMessage(subject, body, None, list(target["to"]), headers=headers, connection=connection)
        message.send(fail_silently=False)
    except (OSError, smtplib.SMTPException) as error:
        raise Undeliverable(f"{type(error).__name__}: {error}") from error
    return f"handed to the mail server for {len(target['to'])}"
