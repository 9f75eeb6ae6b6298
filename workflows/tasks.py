"""Where Celery's autodiscovery looks: importing this registers the tasks and the signal handlers."""

from __future__ import annotations

from celery import current_app

from workflows.worker import beat, consume, signals
from workflows.worker.tasks import run_task, tick, tick_schedule

__all__ = ["beat", "run_task", "signals", "tick", "tick_schedule"]

consume.install(current_app)
