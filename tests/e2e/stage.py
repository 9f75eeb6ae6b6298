"""A small world to look at: DAGs with runs behind them, one that failed, one that asks, one that goes on."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

from tests.support.servers import ROOT
from tests.support.waiting import eventually
from workflows.engine import launch, plans, publish, templates
from workflows.models import Approval, DagRun, TaskAttempt, TaskExecution

_SALES = """\
id: daily_sales
name: Daily sales
description: Fetch the orders of the day, clean them, and publish the totals.
config: {owner: data-team, tags: [nightly, sales]}
schedule: {cron: "15 6 * * *", timezone: Asia/Shanghai}
params:
  day: {type: string, format: date, default: "{{ run.logical_date | date }}", description: "The day of the orders."}
  rows: {type: integer, default: 120, minimum: 1, title: Rows}
  exit: {type: integer, default: 0, title: Exit code, description: "What the check ends with."}
tasks:
  fetch_orders: {type: shell, command: "echo fetched {{ params.rows }} rows"}
  fetch_stock: {type: shell, command: "echo stock"}
  clean: {type: shell, command: "echo clean", depends_on: [fetch_orders, fetch_stock]}
  check:
    type: shell
    command: "echo 'row {{ params.rows }} has no price' >&2; exit {{ params.exit }}"
    depends_on: [clean]
  publish: {type: shell, command: "echo published", depends_on: [check]}
  report: {type: shell, command: "echo reported", depends_on: [publish]}
"""
_MONTH = """\
id: month_end
name: Month end
config: {owner: finance, tags: [monthly]}
schedule: {cron: "0 3 1 * *"}
tasks:
  collect: {type: shell, command: "echo collected"}
  book: {type: shell, command: "echo booked", depends_on: [collect]}
"""
_PRICES = """\
id: fetch_prices
name: Prices
config: {owner: data-team, tags: [hourly]}
schedule: {cron: "5 * * * *"}
tasks:
  fetch: {type: shell, command: "echo 118 prices"}
"""
_WALK = """\
id: slow_walk
name: Slow walk
config: {owner: platform, tags: [example]}
tasks:
  read_map: {type: shell, command: "echo the map is read"}
  pack: {type: shell, command: "echo packed"}
  walk:
    type: shell
    command: |
      echo 'INFO left at dawn'
      echo 'INFO 4 km, the bridge'
      echo 'WARN it rains'
      printf 'INFO \\033[32m9 km, the inn\\033[0m\\n'
      exec sleep 600
    depends_on: [read_map, pack]
  photograph: {type: shell, command: "exec sleep 600", depends_on: [read_map]}
  rest: {type: shell, command: "echo there", depends_on: [walk]}
  show: {type: shell, command: "echo look", depends_on: [rest, photograph]}
"""
_ASK = """\
id: release
name: Release
config: {owner: platform, tags: [people]}
tasks:
  build: {type: shell, command: "echo built"}
  ask: {type: approval, parameters: {prompt: "Publish version 4.2?"}, depends_on: [build], timeout: 2h}
  ship: {type: shell, command: "echo shipped", depends_on: [ask]}
"""


def set_up() -> None:
    """Publish, run, and wait until everything has come to where it is to be seen. Needs a worker with two processes."""
    for source in (_SALES, _MONTH, _PRICES, _WALK, _ASK):
        publish.publish(source, note="the first")
    publish.publish(_SALES.replace("echo clean", "echo cleaned"), note="say what was done")
    template = (ROOT / "examples/templates/check_folder.yaml").read_text(encoding="utf-8")
    templates.save(template)
    templates.generate("check_folder", {"folder": "workflows/core", "tags": ["folders"]})
    for number in range(8):
        launch.launch("daily_sales", params={"rows": 100 + number, "exit": 3 if number in (3, 6) else 0})
    for _ in range(3):
        launch.launch("month_end")
    for _ in range(90):
        launch.launch("fetch_prices")
    launch.launch("release")
    eventually(lambda: not DagRun.objects.exclude(dag__dag_id="release").unfinished().exists(), 120)
    eventually(lambda: Approval.objects.exists(), 30)
    launch.launch("slow_walk")
    eventually(lambda: TaskExecution.objects.filter(task_id="walk", state="running").exists(), 30)
    _age()


def _age() -> None:
    """Let the runs have happened over the last months, days and hours, and let them and their tasks have taken time."""
    now = timezone.now()
    for number, run in enumerate(DagRun.objects.filter(ended_at__isnull=False).order_by("-id")):
        ended = now - (timedelta(hours=number * 7 % 24) if number % 3 else timedelta(days=number * number % 170))
        began = ended - timedelta(seconds=20 + number * 13 % 40)
        DagRun.objects.filter(pk=run.pk).update(created_at=began, started_at=began, ended_at=ended)
        _spread(run, began, ended)


def _spread(run: DagRun, began: datetime, ended: datetime) -> None:
    """One level of tasks after another, the later ones longer."""
    ran = set(TaskExecution.objects.filter(run=run, started_at__isnull=False).values_list("position", flat=True))
    levels = [level for level in plans.plan_of(run.version_id).levels if ran.intersection(level)]
    step = (ended - began) / sum(range(1, len(levels) + 1))
    for level, positions in enumerate(levels):
        start = began + step * sum(range(1, level + 1))
        for place, position in enumerate(positions):
            queued, end = start, start + step * (level + 1) * (1 - place / 4)
            tasks = TaskExecution.objects.filter(run=run, position=position, started_at__isnull=False)
            tasks.update(queued_at=queued, started_at=queued + step / 8, ended_at=end)
            TaskAttempt.objects.filter(task_execution__in=tasks).update(started_at=queued + step / 8, ended_at=end)
