"""`manage.py callback_secret`: what webhooks are signed with."""

from __future__ import annotations

from typing import Any

from workflows.executors import notices
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Show the secret of webhooks."""

    help = "Write the secret with which webhooks are signed, for their receivers to check them."
    example = "  manage.py callback_secret"

    def handle(self, *args: Any, **options: Any) -> None:
        """Write it."""
        self.stdout.write(notices.secret())
