"""Settings of the processes under test: the project's own, quicker to notice a dead broker, and open to a mutation."""

from __future__ import annotations

from orchestrator.settings import *  # noqa: F403
from orchestrator.settings import CELERY_BROKER_TRANSPORT_OPTIONS, INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.harness.apps.HarnessConfig"]
CELERY_BROKER_TRANSPORT_OPTIONS = {
    **CELERY_BROKER_TRANSPORT_OPTIONS,
    "socket_timeout": 3,
    "socket_connect_timeout": 2,
    "health_check_interval": 2,
}
