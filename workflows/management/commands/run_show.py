"""`manage.py run_show`: one run with its tasks."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandParser

from workflows.management import run_view, text
from workflows.management.command import EngineCommand, add_json
from workflows.models import TaskAttempt, TaskExecution


class Command(EngineCommand):
    """Show a run."""

    help = "Show a run: its tasks with their states, and on request every attempt and every event."
    example = "  manage.py run_show 12 --attempts --events"

    def add_arguments(self, parser: CommandParser) -> None:
        """Declare the arguments."""
        parser.add_argument("run", type=int, metavar="RUN", help="number of the run")
        parser.add_argument("--attempts", action="store_true", help="every attempt of every task")
        parser.add_argument("--events", action="store_true", help="every change of state, in order")
        parser.add_argument(
            "--all",
            action="store_true",
            help=f"all tasks, also of runs with more than {run_view.SHOWN_TASKS}, and every item of mapped tasks",
        )
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Show it."""
        run_id = options["run"]
        if options["json"]:
            self.say_json(self._data(run_id, attempts=options["attempts"], events=options["events"]))
            return
        every = options["all"]
        shot = run_view.look(run_id, most=10**9 if every else run_view.SHOWN_TASKS, items=every)
        run = shot.run
        lines = [run_view.title(shot), run_view.counts_line(shot.counts)]
        created, date = text.moment(run.created_at), text.moment(run.logical_date)
        lines.append(f"trigger {run.trigger}, created {created}, logical date {date}")
        if run.priority is not None:
            lines[-1] += f", priority {run.priority}"
        if run.params:
            lines.append("params " + ", ".join(f"{name}={value!r}" for name, value in run.params.items()))
        lines += ["", *run_view.task_lines(shot)] if shot.tasks else []
        if not shot.is_whole:
            lines.append("only tasks at work or in trouble are shown; --all shows every one")
        lines += run_view.failures(run_id)
        lines += self._attempts(run_id) if options["attempts"] else []
        lines += self._events(run_id) if options["events"] else []
        self.stdout.write("\n".join(lines))

    def _attempts(self, run_id: int) -> list[str]:
        rows = [
            [
                run_view.name_of(task),
                str(attempt.number),
                attempt.end or "running",
                text.moment(attempt.started_at),
                text.seconds(attempt.started_at, attempt.ended_at),
                attempt.node,
                text.cut(run_view.because(attempt.reason, attempt.message), 160),
            ]
            for task, attempt in attempts_of(run_id)
        ]
        return ["", *text.table(["task", "attempt", "end", "started", "time", "node", "why"], rows)] if rows else []

    def _events(self, run_id: int) -> list[str]:
        rows = [
            [
                f"{event.at:%H:%M:%S.%f}"[:-3],
                event.task_id or "(run)",
                str(event.attempt or ""),
                f"{event.old} → {event.new}",
                event.node,
                run_view.because(event.reason, event.message),
            ]
            for event in run_view.events(run_id)
        ]
        return ["", *text.table(["at", "task", "attempt", "move", "node", "why"], rows)]

    def _data(self, run_id: int, *, attempts: bool, events: bool) -> dict[str, Any]:
        data = run_view.as_json(run_id)
        if attempts:
            facts = ("number", "end", "reason", "message", "node", "started_at", "ended_at")
            data["attempts"] = [
                {"task_id": task.task_id, **{name: getattr(attempt, name) for name in facts}}
                for task, attempt in attempts_of(run_id)
            ]
        if events:
            names = ("seq", "task_id", "attempt", "old", "new", "reason", "message", "node", "at")
            data["events"] = [{name: getattr(row, name) for name in names} for row in run_view.events(run_id)]
        return data


def attempts_of(run_id: int) -> list[tuple[TaskExecution, TaskAttempt]]:
    """Each attempt of a run with its task, in the order of the plan."""
    tasks = {task.pk: task for task in TaskExecution.objects.filter(run_id=run_id).defer("output")}
    attempts = TaskAttempt.objects.filter(
        task_execution_id__in=TaskExecution.objects.filter(run_id=run_id).values("pk")
    )
    found = [(tasks[attempt.task_execution_id], attempt) for attempt in attempts]
    return sorted(found, key=lambda pair: (pair[0].position, pair[0].map_index, pair[1].number))
