"""Celery tasks as a team has them already: nothing here knows of Celeriac."""

from __future__ import annotations

import hashlib
from typing import Any

from celery import Task, shared_task
from celery.utils.log import get_task_logger

log = get_task_logger(__name__)


class MailServerBusy(Exception):
    """The mail server wants us to come back later."""


@shared_task
def price(item: str, pieces: int = 1) -> dict[str, Any]:
    """What an order costs; the price of an item follows from its name."""
    cents = 100 + int.from_bytes(hashlib.sha256(item.encode()).digest()[:2], "big") % 10_000
    return {"item": item, "pieces": pieces, "cents": cents * pieces}


@shared_task(bind=True, max_retries=3, default_retry_delay=1)
def send_mail(self: Task[Any, Any], to: str, subject: str) -> dict[str, Any]:
    """Send a mail by a server that is always busy when it is first asked."""
    log.info("mail to %s: %s (try %d)", to, subject, self.request.retries + 1)
    if self.request.retries == 0:
        raise self.retry(exc=MailServerBusy("421 try again later"), countdown=0.5)
    return {"to": to, "subject": subject, "tries": self.request.retries + 1}
