"""`manage.py approve`: list the open approvals, or answer one."""

from __future__ import annotations

from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import CommandError, CommandParser

from workflows.engine import approvals
from workflows.management import text
from workflows.management.command import EngineCommand, add_json
from workflows.models import Approval


class Command(EngineCommand):
    """Answer an approval."""

    help = "List the open approvals, or answer one in the name of a user who may."
    example = '  manage.py approve\n  manage.py approve 17 --user ada --comment "looks good"'

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("approval", type=int, nargs="?", metavar="APPROVAL", help="number of the approval")
        parser.add_argument("--user", metavar="NAME", help="who answers")
        parser.add_argument("--reject", action="store_true", help="answer No instead of Yes")
        parser.add_argument("--comment", default="", metavar="TEXT", help="what to say besides")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """List, or answer."""
        if options["approval"] is None:
            self._list(as_json=options["json"])
            return
        users = get_user_model()
        user = users.objects.filter(**{users.USERNAME_FIELD: options["user"] or ""}).first()
        if user is None:
            raise CommandError(f"There is no user {options['user']!r}." if options["user"] else "Say --user NAME.")
        approved = not options["reject"]
        answered = approvals.answer(options["approval"], user, approved=approved, comment=options["comment"])
        if options["json"]:
            self.say_json(_data(answered))
        else:
            self.stdout.write(f"approval {answered.pk} is {'approved' if approved else 'rejected'}")

    def _list(self, *, as_json: bool) -> None:
        found = list(Approval.objects.open().select_related("task_execution__run__dag").order_by("id"))
        if as_json:
            self.say_json([_data(approval) for approval in found])
        elif found:
            head = ["approval", "dag", "run", "task", "asked", "who", "question"]
            self.stdout.write("\n".join(text.table(head, map(_row, found))))


def _row(approval: Approval) -> list[str]:
    run = approval.task_execution.run
    who = ", ".join([*approval.users, *(f"group {name}" for name in approval.groups)]) or "operators"
    return [
        str(approval.pk),
        run.dag.dag_id,
        str(run.pk),
        approval.task_execution.task_id,
        text.moment(approval.created_at),
        who,
        text.cut(text.one_line(approval.prompt), 60),
    ]


def _data(approval: Approval) -> dict[str, Any]:
    task = approval.task_execution
    facts = ("prompt", "users", "groups", "created_at", "approved", "answered_at", "comment", "closed_at")
    place = {"dag_id": task.run.dag.dag_id, "run_id": task.run_id, "task_id": task.task_id}
    return {"id": approval.pk, **place, **{name: getattr(approval, name) for name in facts}}
