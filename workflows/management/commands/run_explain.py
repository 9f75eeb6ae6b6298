"""`manage.py run_explain`: why is it not running?"""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandParser

from workflows.engine.explain import Explanation, Verdict, explain_run, explain_task
from workflows.management import text
from workflows.management.command import EngineCommand, add_json

_MARKS = {Verdict.PASSED: "✓", Verdict.BLOCKED: "✗", Verdict.NOT_REACHED: "·"}


class Command(EngineCommand):
    """Explain a run or a task."""

    help = (
        "Say why a run, or one of its tasks, is not running: every gate on its way in order, the first closed one is "
        "the answer. Reads only."
    )
    example = "  manage.py run_explain 12\n  manage.py run_explain 12 clean\n  manage.py run_explain 12 'clean[3]'"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")
        parser.add_argument("task", nargs="?", metavar="TASK", help="id of a task; TASK[N] for an item of a mapped one")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Explain it."""
        found = explain_task(options["run"], *place_of(options["task"])) if options["task"] else None
        found = found or explain_run(options["run"])
        if options["json"]:
            blocked = found.blocked
            self.say_json({**asdict(found), "says": found.says, "blocked_by": blocked.name if blocked else None})
        else:
            self.stdout.write("\n".join(lines_of(found)))


def place_of(word: str) -> tuple[str, int]:
    """`clean` and `clean[3]` as task id and map index."""
    found = re.fullmatch(r"(.+)\[(\d{1,9})\]", word)
    return (found[1], int(found[2])) if found else (word, -1)


def lines_of(found: Explanation) -> list[str]:
    """The answer, and each gate."""
    item = f"[{found.map_index}]" if found.map_index >= 0 else ""
    name = f"task {found.task_id}{item} of run {found.run_id}" if found.task_id else f"run {found.run_id}"
    head = f"{name} is {found.state}: {text.one_line(found.says)}"
    rows = [[_MARKS[gate.verdict], gate.name, text.one_line(gate.says)] for gate in found.gates]
    return [head, "", *text.table(["", "gate", ""], rows)]
