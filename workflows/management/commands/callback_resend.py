"""`manage.py callback_resend`: send callbacks again."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import callbacks
from workflows.management import text
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Send callbacks again."""

    help = "Send callbacks (again), with all their tries. The reconciler does it, within a sweep."
    example = "  manage.py callback_resend 17 18"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the argument."""
        parser.add_argument("callback", type=int, nargs="+", metavar="CALLBACK", help="number of a callback")

    def handle(self, *args: Any, **options: Any) -> None:
        """Send them."""
        count = callbacks.resend(*options["callback"])
        self.stdout.write(f"{text.counted(count, 'callback')} will be sent")
