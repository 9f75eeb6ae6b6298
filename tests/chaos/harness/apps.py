"""An app that breaks Celeriac in its own process, to show that the tests and the harness can see it."""

from __future__ import annotations

import os

from django.apps import AppConfig


class HarnessConfig(AppConfig):
    """Applies the mutation that CELERIAC_MUTATION names; installed by the settings of the harness only."""

    name = "tests.chaos.harness"
    label = "chaos_harness"

    def ready(self) -> None:
        """Break what is to be broken."""
        from tests.chaos.harness import mutations

        if name := os.environ.get("CELERIAC_MUTATION"):
            mutations.MUTATIONS[name]()
