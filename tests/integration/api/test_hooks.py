"""Webhooks: only what is signed comes in, nothing is told to others, and a repetition starts no second run."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from rest_framework.test import APIClient

from tests.integration.api.conftest import ClientOf
from workflows.core import signing
from workflows.engine import control, hooks
from workflows.models import DagRun, DagVersion

pytestmark = pytest.mark.django_db
BODY = {"limit": 3}


@pytest.fixture
def secret(version: DagVersion) -> str:
    return hooks.open_hook("sales")


def send(
    secret: str,
    body: Any = BODY,
    *,
    dag_id: str = "sales",
    at: float | None = None,
    delivery: str = "",
    raw: bytes | None = None,
    **headers: str,
) -> Any:
    """Sign and send, as another system would; `headers` replace what was signed."""
    text = json.dumps(body).encode() if raw is None else raw
    stamp = str(int(time.time() if at is None else at))
    own = {
        "X-Celeriac-Timestamp": stamp,
        "X-Celeriac-Signature": signing.signature(secret, stamp, delivery, text),
        **({"X-Celeriac-Delivery": delivery} if delivery else {}),
    }
    changed = {name.replace("_", "-"): value for name, value in headers.items()}
    client = APIClient(raise_request_exception=False)
    return client.generic(
        "POST", f"/api/v1/hooks/{dag_id}", text, content_type="application/json", headers={**own, **changed}
    )


def test_a_signed_request_starts_a_run(secret: str) -> None:
    answer = send(secret, delivery="order-7")
    assert answer.status_code == 201, answer.content
    run = DagRun.objects.get()
    assert (run.pk, run.trigger, run.external_id) == (answer.json()["id"], "webhook", "hook:order-7")
    assert (run.params["limit"], run.triggered_by) == (3, None)


def test_a_repetition_is_the_same_run(secret: str) -> None:
    at = time.time()
    first, second = send(secret, at=at), send(secret, at=at)
    assert (first.status_code, second.status_code) == (201, 200)
    assert second["Idempotent-Replay"] == "true"
    assert first.json()["id"] == second.json()["id"]
    named = [send(secret, delivery="a", at=at + n) for n in range(2)]
    assert [answer.status_code for answer in named] == [201, 200]
    assert send(secret, {"limit": 4}, delivery="a").status_code == 409
    assert DagRun.objects.count() == 2


def test_an_empty_body_has_no_parameters(secret: str) -> None:
    assert send(secret, raw=b"").status_code == 201


def test_the_other_name_of_the_header_is_known(secret: str) -> None:
    stamp = str(int(time.time()))
    right = signing.signature(secret, stamp, "k", json.dumps(BODY).encode())
    answer = send(secret, Idempotency_Key="k", X_Celeriac_Signature=right, X_Celeriac_Timestamp=stamp)
    assert answer.status_code == 201


def test_every_changed_byte_is_refused(secret: str) -> None:
    text = json.dumps(BODY).encode()
    stamp = str(int(time.time()))
    right = signing.signature(secret, stamp, "", text)
    for at in range(len(text)):
        changed = text[:at] + bytes([text[at] ^ 1]) + text[at + 1 :]
        assert send(secret, raw=changed, X_Celeriac_Signature=right, X_Celeriac_Timestamp=stamp).status_code == 401
    for at in range(len(right)):
        wrong = right[:at] + chr(ord(right[at]) ^ 1) + right[at + 1 :]
        assert send(secret, X_Celeriac_Signature=wrong).status_code == 401
    assert not DagRun.objects.exists()


@pytest.mark.parametrize(
    "headers",
    [
        {"X_Celeriac_Signature": ""},
        {"X_Celeriac_Signature": "v1="},
        {"X_Celeriac_Signature": "é"},
        {"X_Celeriac_Timestamp": ""},
        {"X_Celeriac_Timestamp": "-1"},
        {"X_Celeriac_Timestamp": "²"},
        {"X_Celeriac_Timestamp": "9" * 400},
        {"X_Celeriac_Delivery": "not what was signed"},
        {"X_Celeriac_Delivery": "a.b"},
    ],
)
def test_whatever_is_not_signed_is_refused(secret: str, headers: dict[str, str]) -> None:
    assert send(secret, **headers).status_code == 401


def test_strangers_learn_nothing(secret: str, client_of: ClientOf) -> None:
    """The answers are the same whether the DAG has a webhook, has none, is paused, or is not there."""
    wrong = [send("chook_wrong"), send("chook_wrong", dag_id="nothing")]
    control.pause_dag("sales")
    wrong += [send("chook_wrong"), send("chook_wrong", {"bad": 1}), send("chook_wrong", raw=b"{")]
    hooks.close_hook("sales")
    wrong += [send(secret), send("chook_wrong")]
    bodies = []
    for answer in wrong:
        assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Celeriac-Signature")
        bodies.append({name: value for name, value in answer.json().items() if name != "instance"})
    assert all(body == bodies[0] for body in bodies)
    # Nor does a token open it.
    assert client_of(superuser=True).post("/api/v1/hooks/sales", {}).status_code == 401


def test_an_old_signature_counts_no_more(secret: str) -> None:
    now = time.time()
    for at in (now - 301, now + 400):
        answer = send(secret, at=at)
        assert answer.status_code == 401
        assert "clocks differ" in answer.json()["detail"]
    assert send(secret, at=now - 200).status_code == 201


def test_what_the_engine_refuses_is_told_to_who_may_know(secret: str) -> None:
    assert send(secret, {"limit": 0}).status_code == 422
    assert send(secret, [1]).status_code == 400
    assert send(secret, raw=b"{").status_code == 400
    assert send(secret, raw=b'{"a": "' + b"x" * 1_000_000 + b'"}').status_code == 413
    control.pause_dag("sales")
    assert send(secret).json()["code"] == "dag_paused"


def test_a_new_secret_ends_the_old_one_unless_it_is_kept(secret: str) -> None:
    second = hooks.open_hook("sales", keep=True)
    assert [send(each).status_code for each in (secret, second)] == [201, 201]
    third = hooks.open_hook("sales", keep=True)
    assert [send(each, delivery="x").status_code for each in (secret, second, third)] == [401, 201, 200]
    fourth = hooks.open_hook("sales")
    assert [send(each, delivery="x").status_code for each in (third, fourth)] == [401, 200]


def test_a_secret_outlives_a_new_secret_key(secret: str, settings: Any) -> None:
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "another"
    assert send(secret).status_code == 201


def test_the_secret_of_one_dag_does_not_open_another(secret: str) -> None:
    from tests.support.hands import dag
    from workflows.engine.publish import publish

    publish(dag("other", a={}))
    hooks.open_hook("other")
    assert send(secret, dag_id="other").status_code == 401


def test_secrets_are_made_by_who_may(version: DagVersion, client_of: ClientOf) -> None:
    assert client_of("change_dag").post("/api/v1/dags/sales/hook", {}).status_code == 403
    maker = client_of("change_dag", "add_dagrun")
    answer = maker.post("/api/v1/dags/sales/hook", {})
    assert answer.status_code == 201
    assert answer["Cache-Control"] == "no-store"
    assert answer.json()["url"].endswith("/api/v1/hooks/sales")
    assert send(answer.json()["secret"]).status_code == 201
    assert maker.delete("/api/v1/dags/sales/hook").status_code == 204
    assert send(answer.json()["secret"]).status_code == 401
    assert maker.post("/api/v1/dags/nothing/hook", {}).status_code == 404
