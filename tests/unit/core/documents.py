"""Documents and task types for the tests of core, which know nothing of the real task types."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from workflows.core.validate import Catalogue


class _Type(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Shell(_Type):
    command: str | None = None
    script: str | None = None
    env: dict[str, str] = {}

    @model_validator(mode="after")
    def _one_of_two(self) -> Shell:
        if self.command is not None and self.script is not None:
            raise ValueError("give either command or script")
        return self


class Http(_Type):
    url: str
    method: str = "GET"
    port: int = Field(default=80, ge=1)
    headers: dict[str, int | str] = {}
    codes: list[int] = []


class Sql(_Type):
    connection: str
    query: str = Field(json_schema_extra={"x-template": "raw"})
    bind: dict[str, Any] = {}


class Python(_Type):
    callable: str
    kwargs: dict[str, Any] = {}


class Conditional(_Type):
    condition: bool | str = Field(json_schema_extra={"x-template": "expression"})
    true_task: str | None = None
    false_task: str | None = None


class Case(_Type):
    when: bool | str = Field(json_schema_extra={"x-template": "later"})
    task: str = Field(json_schema_extra={"x-template": "written"})


class Switch(_Type):
    cases: list[Case] = Field(min_length=1, json_schema_extra={"x-template": "written"})
    default: str | None = Field(default=None, json_schema_extra={"x-template": "written"})


class Celery(_Type):
    task: str
    kwargs: dict[str, Any] = {}


class Docker(_Type):
    image: str
    command: str = ""


class Subdag(_Type):
    dag_id: str
    params: dict[str, Any] = {}


TYPES: dict[str, type[BaseModel]] = {
    "shell": Shell,
    "http": Http,
    "sql": Sql,
    "python": Python,
    "conditional": Conditional,
    "switch": Switch,
    "celery": Celery,
    "docker": Docker,
    "subdag": Subdag,
}
CATALOGUE = Catalogue(types=TYPES, pools=frozenset({"default", "io"}), dags=frozenset({"child", "x"}))

DAILY_SALES = """\
id: daily_sales
name: Daily sales
description: Fetch, clean and publish the day's sales.
version: "3"                      # free label; the system numbers versions itself
params:                           # typed; the launch form and the API check them
  day: {type: string, format: date, default: "{{ run.logical_date | date }}"}
schedule: {cron: "0 2 * * *", timezone: Asia/Shanghai, catchup: latest, overlap: skip}
config: {max_active_runs: 1, max_parallel_tasks: 16, timeout: 2h, tags: [sales], owner: data-team}
defaults:
  pool: default
  timeout: 10m
  retry: {max_attempts: 3, delay: 10s, backoff: 2, max_delay: 5m, jitter: true}
tasks:
  fetch_orders:
    type: http
    parameters: {method: GET, url: "https://shop.example/orders?day={{ params.day }}"}
  fetch_stock:
    type: sql
    parameters:
      connection: warehouse
      query: "select * from stock where day = :day"
      bind: {day: "{{ params.day }}"}
  clean:
    type: python
    parameters:
      callable: "sales.steps:clean"
      kwargs: {orders: "{{ tasks.fetch_orders.output.json }}"}
    depends_on: [fetch_orders]
  enough:
    {type: conditional, condition: "tasks.clean.output.rows > 100", true_task: publish, false_task: warn}
  publish:
    type: celery
    parameters: {task: shop.tasks.publish, kwargs: {day: "{{ params.day }}"}}
    pool: io
    resources: {cpu: 1, memory: 512Mi}
  warn: {type: shell, command: "echo 'only {{ tasks.clean.output.rows }} rows'"}
  report:
    type: docker
    image: "reports:1.4"
    command: "make report"
    depends_on: [publish, warn, fetch_stock]
    trigger_rule: none_failed_min_one_success
dependencies: {enough: [clean]}   # also accepted at the top, task -> its upstreams
"""
