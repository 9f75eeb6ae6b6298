"""Settings of a pytest whose own process is broken by a mutation, as the processes that it starts are."""

from __future__ import annotations

import os

from tests.support.settings import *  # noqa: F403
from tests.support.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "tests.chaos.harness.apps.HarnessConfig"]
os.environ["CELERIAC_TEST_SETTINGS"] = "tests.chaos.harness.settings"
