"""What callbacks of a document may say, and the words of an e-mail."""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from tests.unit.core.documents import CATALOGUE, TYPES
from workflows.core.callbacks import email_text, kind_of, sentence
from workflows.core.compiler import Bounds, compile_plan
from workflows.core.plan import Plan
from workflows.core.schema import document_schema
from workflows.core.validate import Limits, check

WEBHOOK = {"on": ["run_failed", "run_late"], "webhook": {"url": "https://hooks.example/x", "headers": {"X-A": "b"}}}
EMAIL = {
    "on": "task_failed",
    "email": {"to": ["a@example.com"], "subject": "{{ task.id }}", "body": "{{ event.name }}"},
}


def document(*callbacks: Any) -> dict[str, Any]:
    return {"id": "x", "config": {"late_after": "1h"}, "callbacks": list(callbacks), "tasks": {"a": {"type": "shell"}}}


def found(data: dict[str, Any]) -> dict[str, str]:
    return {p.path: p.code for p in check(data, CATALOGUE, Limits()).problems}


def test_right_callbacks_reach_the_plan_and_fit_the_schema() -> None:
    data = document(WEBHOOK, EMAIL)
    parsed = check(data, CATALOGUE, Limits())
    assert parsed.problems == ()
    assert parsed.spec is not None
    plan = Plan.from_json(compile_plan(parsed.spec, Bounds()).to_json())
    assert plan.late_after == 3600
    assert [callback["on"] for callback in plan.callbacks] == [["run_failed", "run_late"], ["task_failed"]]
    assert plan.callbacks[0]["webhook"] == WEBHOOK["webhook"]
    jsonschema.Draft202012Validator(document_schema(TYPES)).validate(data)


def test_yaml_reads_on_as_a_word() -> None:
    text = "id: x\ncallbacks:\n  - on: run_failed\n    webhook: {url: 'https://h.example'}\ntasks: {a: {type: shell}}\n"
    assert check(text, CATALOGUE, Limits()).problems == ()


@pytest.mark.parametrize(
    ("callback", "path", "code"),
    [
        ({"on": ["run_failed"]}, "", "bad_callback"),
        ({**WEBHOOK, **EMAIL}, "", "bad_callback"),
        ({"on": [], "webhook": {"url": "https://x"}}, ".on", "out_of_range"),
        ({"on": ["run_fail"], "webhook": {"url": "https://x"}}, ".on[0]", "bad_value"),
        ({"webhook": {"url": "https://x"}}, ".on", "missing_field"),
        ({"on": "run_failed", "webhook": {"url": "ftp://x"}}, ".webhook.url", "bad_callback"),
        ({"on": "run_failed", "webhook": {"url": "https://"}}, ".webhook.url", "bad_callback"),
        ({"on": "run_failed", "webhook": {"url": "https://{{ run.id }}"}}, ".webhook.url", "bad_callback"),
        ({"on": "run_failed", "webhook": {"url": "https://x", "headers": {"a": "b\n"}}}, ".webhook.headers.a",
         "bad_callback"),
        ({"on": "run_failed", "webhook": {"url": "https://x", "headers": {"a b": "c"}}},
         '.webhook.headers["a b"]', "bad_callback"),
        ({"on": "run_failed", "webhook": {"url": "https://x", "method": "PUT"}}, ".webhook.method", "unknown_field"),
        ({"on": "run_failed", "email": {"to": []}}, ".email.to", "out_of_range"),
        ({"on": "run_failed", "email": {"to": ["nobody"]}}, ".email.to[0]", "bad_callback"),
        ({"on": "run_failed", "email": {"to": ["a@b"], "body": "{% for a in b %}{% endfor %}"}}, ".email.body",
         "bad_expression"),
        ({"on": "run_failed", "email": {"to": ["a@b"], "subject": "{{ params.x }}"}}, ".email.subject",
         "unknown_name"),
        ("webhook", "", "wrong_type"),
    ],
)  # fmt: skip
def test_wrong_callbacks(callback: Any, path: str, code: str) -> None:
    assert found(document(callback)) == {f"callbacks[0]{path}": code}


def test_there_are_bounds() -> None:
    assert found(document(*[WEBHOOK] * 51)) == {"callbacks": "out_of_range"}
    assert found({**document(), "callbacks": {"on": "run_failed"}}) == {"callbacks": "wrong_type"}


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ((False, "running", "failed", "run_timed_out"), "run_failed"),
        ((False, "running", "success", ""), "run_succeeded"),
        ((False, "pending", "cancelled", ""), "run_cancelled"),
        ((False, "running", "running", "late"), "run_late"),
        ((False, "pending", "running", ""), None),
        ((False, "success", "running", ""), None),
        ((True, "running", "failed", "error"), "task_failed"),
        ((True, "deferred", "retrying", ""), "task_retried"),
        ((True, "running", "success", ""), None),
    ],
)
def test_the_name_of_an_event(event: tuple[bool, str, str, str], kind: str | None) -> None:
    of_task, old, new, reason = event
    assert kind_of(of_task=of_task, old=old, new=new, reason=reason) == kind


PAYLOAD: dict[str, Any] = {
    "id": 7,
    "event": "task_failed",
    "at": "2026-01-01T00:00:00+00:00",
    "dag": {"id": "sales", "name": "Sales", "version": 3},
    "run": {"id": 12, "state": "running", "reason": "", "message": "", "logical_date": None},
    "task": {"id": "load", "attempt": 2, "reason": "error", "message": "it broke"},
}


def test_the_words_of_an_email() -> None:
    subject, body = email_text({}, PAYLOAD, max_chars=1000)
    assert subject == f"Celeriac: {sentence(PAYLOAD)}" == "Celeriac: task load of sales failed in run 12"
    assert "reason: error" in body
    assert body.endswith("it broke\n")
    target = {"subject": "{{ dag.name }}:\n{{ task.id }}", "body": "{{ event.name }} {{ run.id }}"}
    assert email_text(target, PAYLOAD, max_chars=1000) == ("Sales: load", "task_failed 12")
