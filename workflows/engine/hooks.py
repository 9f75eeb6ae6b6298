"""Webhooks: runs that other systems start with a signed request, without an account.

The secret of a DAG's webhook is made from a random nonce of the DAG and from Django's SECRET_KEY, so that nothing in
the database alone can sign. It is shown once, when it is made.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from django.conf import settings
from django.utils.crypto import salted_hmac

from workflows.conf import conf
from workflows.core import signing
from workflows.core.errors import BadSignature, StaleSignature, UnknownDag
from workflows.models import Dag

_SALT = "workflows.hook"
_NONCE_BYTES = 15
# Stands for the nonce of a DAG without a webhook, and of one that does not exist: their answers take as long.
_NOBODY = secrets.token_hex(_NONCE_BYTES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """A request to a webhook, as it came."""

    timestamp: str
    id: str
    signature: str
    body: bytes

    @property
    def external_id(self) -> str:
        """The run's name: of the delivery, or of the signature, so that a repetition starts no second run."""
        return f"hook:{self.id or signing.digest(self.signature)}"


def open_hook(dag_id: str, *, keep: bool = False) -> str:
    """Make a new secret for the DAG's webhook; returns it. The one before ends, or with `keep` at the next change."""
    dag = _known(dag_id)
    fresh = secrets.token_hex(_NONCE_BYTES)
    kept = dag.hook_nonce.split(" ")[0] if keep and dag.hook_nonce else ""
    Dag.objects.filter(pk=dag.pk).update(hook_nonce=f"{fresh} {kept}".strip())
    return _secret(dag_id, fresh, settings.SECRET_KEY)


def close_hook(dag_id: str) -> bool:
    """Let nobody start runs by webhook any more; False when nobody could."""
    return bool(Dag.objects.filter(pk=_known(dag_id).pk).exclude(hook_nonce="").update(hook_nonce=""))


def verify(dag_id: str, delivery: Delivery, now: float) -> None:
    """Check that a request is signed with the DAG's secret, and lately.

    Raises BadSignature, in the same words whether the DAG has another secret, no webhook, or does not exist; and
    StaleSignature only to those who know the secret.
    """
    nonce = Dag.objects.live().filter(dag_id=dag_id).values_list("hook_nonce", flat=True).first()
    keys: list[str | bytes] = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    known = [_secret(dag_id, part, key) for part in (nonce or _NOBODY).split(" ") for key in keys]
    signed = signing.is_signed(known, delivery.signature, delivery.timestamp, delivery.id, delivery.body)
    if not signed or not nonce:
        raise BadSignature
    if abs(now - int(delivery.timestamp)) > conf.HOOK_WINDOW_SECONDS:
        raise StaleSignature(seconds=conf.HOOK_WINDOW_SECONDS)


def _secret(dag_id: str, nonce: str, key: str | bytes) -> str:
    return f"chook_{salted_hmac(_SALT, f'{dag_id}:{nonce}', secret=key, algorithm='sha256').hexdigest()}"


def _known(dag_id: str) -> Dag:
    dag = Dag.objects.live().filter(dag_id=dag_id).first()
    if dag is None:
        raise UnknownDag(dag_id=dag_id)
    return dag
