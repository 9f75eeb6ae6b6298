"""`manage.py callback_list`: the latest callbacks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.management import text
from workflows.management.command import EngineCommand, add_json
from workflows.models import Callback

FACTS = (
    "id",
    "event_id",
    "run_id",
    "task_id",
    "kind",
    "state",
    "tries",
    "next_try_at",
    "message",
    "created_at",
    "sent_at",
)


class Command(EngineCommand):
    """List callbacks."""

    help = "List the latest callbacks, newest first: whom they were for, and what became of them."
    example = "  manage.py callback_list --state failed"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the options."""
        parser.add_argument("--run", type=int, metavar="RUN", help="only those of this run")
        parser.add_argument("--state", choices=[state for state, _ in Callback.STATES], help="only those in this state")
        parser.add_argument("--limit", type=int, default=20, metavar="N", help="at most so many (default 20)")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """List them."""
        rows = Callback.objects.order_by("-id")
        if options["run"] is not None:
            rows = rows.filter(run_id=options["run"])
        if options["state"]:
            rows = rows.filter(state=options["state"])
        found = list(rows[: max(0, options["limit"])])
        if options["json"]:
            self.say_json([_data(callback) for callback in found])
        elif found:
            head = ["callback", "run", "event", "to", "state", "tries", "created", "message"]
            self.stdout.write("\n".join(text.table(head, map(_row, found))))


def _row(callback: Callback) -> list[str]:
    return [
        str(callback.pk),
        str(callback.run_id),
        str(callback.payload["event"]),
        callback.address,
        callback.state,
        str(callback.tries),
        text.moment(callback.created_at),
        text.cut(text.one_line(callback.message), 60),
    ]


def _data(callback: Callback) -> dict[str, Any]:
    event = callback.payload["event"]
    return {**{name: getattr(callback, name) for name in FACTS}, "event": event, "to": callback.address}
