"""The shop: a project that had Django and Celery before it had Celeriac."""

from __future__ import annotations

from shop.celery import app

__all__ = ["app"]
