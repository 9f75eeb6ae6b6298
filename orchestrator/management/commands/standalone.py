"""`manage.py standalone`: everything in one command, on embedded servers unless told otherwise."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orchestrator.standalone import main as standalone


class Command(BaseCommand):
    """Arguments only; the work is in orchestrator.standalone."""

    help = (
        "Start PostgreSQL, Valkey, web, worker, reconciler, beat and Flower under one supervisor. "
        "DATABASE_URL and BROKER_URL, when set, name servers to use instead of the embedded ones."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        add = parser.add_argument
        add("--port", type=int, help=f"port of the web process (default {standalone.WEB_PORT})")
        add("--flower-port", type=int, help=f"port of Flower (default {standalone.FLOWER_PORT})")
        add(
            "--concurrency",
            type=int,
            default=max(2, min(os.cpu_count() or 2, 8)),
            help="processes of the worker",
        )
        add("--run", type=Path, metavar="FILE", help="run the DAG of this document once")
        add("--param", action="append", default=[], metavar="K=V", help="a parameter of that run; repeatable")
        add(
            "--exit",
            action="store_true",
            help="with --run: stop everything when the run has ended, exit 0 or 1",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run it and end with its code."""
        if (options["exit"] or options["param"]) and not options["run"]:
            self.stderr.write("--exit and --param need --run FILE.")
            sys.exit(2)
        sys.exit(
            standalone.main(
                standalone.Options(
                    port=options["port"],
                    flower_port=options["flower_port"],
                    concurrency=options["concurrency"],
                    run=options["run"],
                    params=tuple(options["param"]),
                    exit=options["exit"],
                )
            )
        )
