"""The Celery application of Celeriac's own project; a host project uses the one that it has."""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")

app = Celery("celeriac")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
