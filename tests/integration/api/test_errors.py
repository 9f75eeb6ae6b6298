"""Every error is a problem document, and says no more than the caller may know."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest
from django.db import OperationalError
from django.test import override_settings
from rest_framework.test import APIClient

from api import errors, parsers
from tests.integration.api.conftest import DOCUMENT
from workflows.core import errors as core
from workflows.engine import control

pytestmark = pytest.mark.django_db
FIELDS = {"type", "title", "status", "detail", "instance", "code", "problems"}


def assert_problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    """Check the shape of a problem document and return it."""
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert set(body) == FIELDS
    assert (body["status"], body["code"]) == (status, code)
    for problem in body["problems"]:
        assert set(problem) == {"code", "path", "message", "tasks", "line", "column"}
    return body


def test_an_unknown_address_is_404(author: APIClient) -> None:
    body = assert_problem(author.get("/api/v1/nothing"), 404, "not_found")
    assert body["instance"] == "/api/v1/nothing"
    assert_problem(author.get("/api/"), 404, "not_found")
    assert_problem(author.get("/api/v1/dags/"), 404, "not_found")
    assert_problem(author.get("/api/v1/runs/-1"), 404, "not_found")
    assert_problem(author.get(f"/api/v1/runs/{10**17}"), 404, "unknown_run")
    assert_problem(author.get(f"/api/v1/runs/{10**30}"), 404, "not_found")


def test_a_wrong_method_is_405_and_names_the_right_ones(author: APIClient) -> None:
    answer = author.delete("/api/v1/dags")
    assert_problem(answer, 405, "method_not_allowed")
    assert set(answer["Allow"].split(", ")) >= {"GET", "POST"}
    assert_problem(author.options("/api/v1/dags"), 405, "method_not_allowed")


def test_another_content_type_is_415(author: APIClient) -> None:
    for content_type in ("text/yaml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = author.generic("POST", "/api/v1/dags", b"a=1", content_type=content_type)
        assert_problem(answer, 415, "unsupported_media_type")


def test_an_answer_that_is_not_json_is_406(author: APIClient) -> None:
    assert_problem(author.get("/api/v1/dags", HTTP_ACCEPT="text/html"), 406, "not_acceptable")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"\xff\xfe",
        b'{"document": NaN}',
        b'{"document": Infinity}',
        b'{"document": {"id": "a", "id": "b"}}',
        b'{"a":' * 100_000,
        b"9" * 10_000,
        b'{"document": {"x": "\x00"}}',
    ],
)
def test_a_body_that_is_not_json_is_400(author: APIClient, body: bytes) -> None:
    answer = author.generic("POST", "/api/v1/dags", body, content_type="application/json")
    assert_problem(answer, 400, "parse_error")


def test_a_repeated_key_is_named(author: APIClient) -> None:
    body = b'{"document": {"tasks": {"a": 1, "a": 2}}}'
    answer = author.generic("POST", "/api/v1/documents/validate", body, content_type="application/json")
    assert "'a'" in assert_problem(answer, 400, "parse_error")["detail"]


def test_a_body_that_is_too_large_is_413(author: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parsers, "MAX_BODY_BYTES", 100)
    exact = json.dumps({"source": "x" * (100 - len('{"source": ""}'))}).encode()
    url = "/api/v1/documents/validate"
    assert author.generic("POST", url, exact, content_type="application/json").status_code == 200
    answer = author.generic("POST", url, exact + b" ", content_type="application/json")
    assert_problem(answer, 413, "too_large")


def test_a_document_over_the_limit_is_a_problem_of_the_document(author: APIClient, settings: Any) -> None:
    from workflows.conf import conf

    settings.CELERIAC = {**settings.CELERIAC, "MAX_DOCUMENT_BYTES": 50}
    conf.reload()
    try:
        answer = author.post("/api/v1/dags", {"source": json.dumps(DOCUMENT)})
    finally:
        settings.CELERIAC = {}
        conf.reload()
    body = assert_problem(answer, 422, "invalid_document")
    assert body["problems"][0]["code"] == "too_large"


def test_where_a_request_is_wrong_is_said_by_path(author: APIClient) -> None:
    answer = author.post("/api/v1/dags/sales/runs", {"params": [], "external_id": 7 * "\x01"})
    body = assert_problem(answer, 400, "invalid")
    assert {problem["path"] for problem in body["problems"]} == {"params", "external_id"}


def test_a_database_that_is_away_is_503(author: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(dag_id: str) -> bool:
        raise OperationalError("connection to server at 10.0.0.5, user celeriac, password s3cret")

    monkeypatch.setattr(control, "pause_dag", away)
    answer = author.post("/api/v1/dags/sales/pause")
    body = assert_problem(answer, 503, "database_unavailable")
    assert "s3cret" not in json.dumps(body)
    assert answer["Retry-After"] == "5"


def test_a_bug_is_500_told_to_the_log_alone(
    author: APIClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(dag_id: str) -> bool:
        raise KeyError("s3cret")

    monkeypatch.setattr(control, "pause_dag", broken)
    author.raise_request_exception = False
    with caplog.at_level(logging.ERROR, logger="api.errors"):
        answer = author.post("/api/v1/dags/sales/pause")
    assert "s3cret" not in json.dumps(assert_problem(answer, 500, "internal_error"))
    assert "s3cret" in caplog.text


@override_settings(ALLOWED_HOSTS=["only.example"])
def test_a_host_that_is_not_allowed_is_400(author: APIClient) -> None:
    assert_problem(author.get("/api/v1/dags"), 400, "bad_request")
    assert author.get("/health")["Content-Type"].startswith("text/html")


def test_an_error_outside_the_views_is_a_problem_too(author: APIClient, monkeypatch: pytest.MonkeyPatch) -> None:
    from rest_framework.renderers import JSONRenderer

    def broken(*args: Any, **kwargs: Any) -> bytes:
        raise TypeError("s3cret")

    monkeypatch.setattr(JSONRenderer, "render", broken)
    author.raise_request_exception = False
    body = assert_problem(author.get("/api/v1/dags"), 500, "internal_error")
    assert "s3cret" not in json.dumps(body)


def test_every_error_that_the_engine_raises_at_doors_has_a_status() -> None:
    """LostClaim and RenderError are between workers and the engine; no door meets them."""
    known = {kind for kind in vars(core).values() if isinstance(kind, type) and issubclass(kind, core.CeleriacError)}
    inner = {core.CeleriacError, core.LostClaim, core.RenderError}
    assert known - inner <= set(errors.STATUS_OF)
