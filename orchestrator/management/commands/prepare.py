"""`manage.py prepare`: what has to be in a database before anything uses it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error, transaction

from orchestrator import env
from workflows.conf import conf
from workflows.engine import roles
from workflows.models import NodePool


class Command(BaseCommand):
    """Migrate, make the usual groups, create the first superuser if there is none, tell which queues there are."""

    help = "Apply migrations, make the usual groups, and the first superuser with the password in FIRST_PASSWORD."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--user", default="admin", help="name of the first superuser")
        parser.add_argument("--answer", type=Path, help="file for what was found, as JSON")

    def handle(self, *args: Any, **options: Any) -> None:
        """Do all of it."""
        try:
            call_command("migrate", interactive=False, verbosity=0, skip_checks=True)
            roles.make()
        except Error as error:
            raise CommandError(f"The database could not be migrated: {str(error).strip()}") from error
        created = self._create_user(options["user"], env.text("FIRST_PASSWORD"))
        pools = NodePool.objects.values_list("name", flat=True)
        queues = sorted({conf.DEFAULT_QUEUE, *map(conf.queue_of, pools)})
        if options["answer"]:
            options["answer"].write_text(json.dumps({"user_created": created, "queues": queues}), encoding="utf-8")

    def _create_user(self, name: str, password: str) -> bool:
        users = get_user_model()
        with transaction.atomic():
            if not password or users._default_manager.filter(is_superuser=True).exists():
                return False
            users._default_manager.create_superuser(username=name, email="", password=password)
        return True
