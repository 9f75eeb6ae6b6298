"""What callbacks of a document may say, which event they are about, and the words of an e-mail. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from workflows.core import templating
from workflows.core.errors import Problem
from workflows.core.naming import path_of
from workflows.core.spec import CallbackSpec, DagSpec
from workflows.core.states import Reason

NAMES = frozenset(("event", "dag", "run", "task"))  # what subject and body may refer to
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_ADDRESS = re.compile(r"[^@\s<>,;]+@[^@\s<>,;]+")
_OF_RUN = {"success": "run_succeeded", "failed": "run_failed", "cancelled": "run_cancelled"}
_OF_TASK = {"failed": "task_failed", "retrying": "task_retried"}


def kind_of(*, of_task: bool, old: str, new: str, reason: str) -> str | None:
    """What callbacks call an event; None for one that they are not about."""
    if of_task:
        return _OF_TASK.get(new)
    if old == new:
        return "run_late" if reason == Reason.LATE else None
    return _OF_RUN.get(new)


def callback_problems(spec: DagSpec) -> Iterator[Problem]:
    """What is wrong with the addresses, headers and texts of the callbacks."""
    for index, callback in enumerate(spec.callbacks):
        yield from _webhook(callback, index)
        yield from _email(callback, index)


def _webhook(callback: CallbackSpec, index: int) -> Iterator[Problem]:
    if callback.webhook is None:
        return
    wrong = _wrong_url(callback.webhook.url)
    if wrong:
        yield Problem(code="bad_callback", path=path_of("callbacks", index, "webhook", "url"), message=wrong)
    for name, value in callback.webhook.headers.items():
        if not _HEADER.fullmatch(name) or not value.isprintable() or not value.isascii():
            path = path_of("callbacks", index, "webhook", "headers", name)
            yield Problem(code="bad_callback", path=path, message="is not a header: printable ASCII in one line")


def _wrong_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        fits = False
    if templating.is_template(url):
        return "stands as it is: a template cannot choose whom to tell"
    return None if fits and url.isascii() and url.isprintable() else "is not an http or https URL with a host"


def _email(callback: CallbackSpec, index: int) -> Iterator[Problem]:
    if callback.email is None:
        return
    for at, address in enumerate(callback.email.to):
        if not _ADDRESS.fullmatch(address):
            path = path_of("callbacks", index, "email", "to", at)
            yield Problem(code="bad_callback", path=path, message="is not an e-mail address")
    for name in ("subject", "body"):
        wrong = _wrong_text(getattr(callback.email, name))
        if wrong:
            yield Problem(code=wrong[0], path=path_of("callbacks", index, "email", name), message=wrong[1])


def _wrong_text(text: str) -> tuple[str, str] | None:
    if not templating.is_template(text):
        return None
    analysis = templating.analyse(text)
    if analysis.problem or not analysis.simple:
        return "bad_expression", analysis.problem or "may hold {{ expressions }} but no statements"
    unknown = sorted(analysis.names - NAMES)
    return (
        ("unknown_name", f"can refer to event, dag, run and task only, not to {', '.join(unknown)}")
        if unknown
        else None
    )


_SAID = {
    "run_succeeded": "run {run} of {dag} succeeded",
    "run_failed": "run {run} of {dag} failed",
    "run_cancelled": "run {run} of {dag} was cancelled",
    "run_late": "run {run} of {dag} is late",
    "task_failed": "task {task} of {dag} failed in run {run}",
    "task_retried": "task {task} of {dag} failed in run {run} and is tried again",
}


def sentence(payload: Mapping[str, Any]) -> str:
    """An event in one sentence."""
    task = payload["task"]["id"] if payload["task"] else ""
    return _SAID[payload["event"]].format(run=payload["run"]["id"], dag=payload["dag"]["id"], task=task)


def email_text(target: Mapping[str, Any], payload: Mapping[str, Any], *, max_chars: int) -> tuple[str, str]:
    """(subject in one line, body) of an e-mail. Raises RenderError."""
    context = {**payload, "event": {"id": payload["id"], "name": payload["event"], "at": payload["at"]}}
    rendered = [
        str(templating.render(text, context, max_chars=max_chars)) if templating.is_template(text) else text
        for text in (target.get("subject") or "", target.get("body") or "")
    ]
    subject = " ".join((rendered[0] or f"Celeriac: {sentence(payload)}").split())[:500]
    return subject, rendered[1] or _facts(payload)


def _facts(payload: Mapping[str, Any]) -> str:
    run, task = payload["run"], payload["task"] or {}
    lines = [sentence(payload) + ".", "", f"at: {payload['at']}", f"DAG: {payload['dag']['id']}", f"run: {run['id']}"]
    lines += [f"logical date: {run['logical_date']}"] if run["logical_date"] else []
    lines += [f"attempt: {task['attempt']}"] if task else []
    why = task or run
    lines += [f"reason: {why['reason']}"] if why.get("reason") else []
    lines += ["", why["message"]] if why.get("message") else []
    return "\n".join(lines) + "\n"
