"""`manage.py role_create`: the groups of viewers, operators, authors and administrators."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.engine import roles
from workflows.management.command import EngineCommand


class Command(EngineCommand):
    """Make the usual groups."""

    help = "Make the groups of viewers, operators, authors and administrators, where they are missing."
    example = "  manage.py role_create"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument(
            "--reset", action="store_true", help="give groups that are there exactly their permissions again"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Make them, and say what was done."""
        for role in roles.make(reset=options["reset"]):
            done = "is made" if role.new else "has its permissions again" if role.given else "was there, and stays"
            self.stdout.write(f"{role.name} {done}")
