"""`manage.py check_invariants`: an audit of the database against the engine's promises."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from workflows.engine import invariants
from workflows.engine.invariants import Finding
from workflows.management import run_view
from workflows.management.command import EngineCommand, add_json


class Command(EngineCommand):
    """Check the promises."""

    help = (
        "Check what the engine promises of its tables (docs/reference/commands.md lists it); exit 1 if "
        "anything is broken. Reads only; may run beside workers."
    )
    example = "  manage.py check_invariants --run 12"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--run", type=int, metavar="RUN", help="only this run")
        parser.add_argument(
            "--newest",
            type=int,
            default=1000,
            metavar="N",
            help="look at so many runs (1000; 0 for all), and at all that have not ended",
        )
        parser.add_argument("--quiescent", action="store_true", help="nothing should be on its way: check that too")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Check them all."""
        if options["run"] is not None:
            run_view.find(options["run"])
        found: list[Finding] = []
        for finding in invariants.audit(options["run"], quiescent=options["quiescent"], newest=options["newest"]):
            found.append(finding)
            if not options["json"]:
                self._tell(finding)
        if options["json"]:
            self.say_json([asdict(finding) for finding in found])
        broken = [finding.id for finding in found if not finding.holds]
        if broken:
            raise CommandError(f"{len(broken)} of {len(found)} promises are broken: {', '.join(broken)}.")
        if not options["json"]:
            self.stdout.write(f"all {len(found)} promises hold")

    def _tell(self, finding: Finding) -> None:
        state = "ok" if finding.holds else f"BROKEN by {finding.count:,} rows"
        self.stdout.write(f"{finding.id:<4} {finding.title}: {state}")
        for row in finding.rows:
            self.stdout.write("       " + ", ".join(f"{name}={value}" for name, value in row.items()))
