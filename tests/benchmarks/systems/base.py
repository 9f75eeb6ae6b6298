"""What every system offers to the driver, and the Celery settings that they share."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import redis
from celery import Celery

from tests.benchmarks.workloads import Workload

BROKER = "CELERIAC_BENCH_BROKER"  # redis://…, without a database number
POSTGRES = "CELERIAC_BENCH_POSTGRES"  # the references' own database
FINISHED = "finished"  # the list on which a reference says that a run has ended

SETTINGS: dict[str, Any] = {
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    "task_acks_late": False,
    "task_ignore_result": True,
    "task_store_errors_even_if_ignored": False,
    "task_send_sent_event": False,
    "worker_send_task_events": False,
    "worker_prefetch_multiplier": 1,
    "worker_disable_prefetch": True,
    "worker_hijack_root_logger": False,
    "broker_connection_retry_on_startup": True,
    "timezone": "UTC",
}


class System(Protocol):
    """One way to run a DAG on Celery workers."""

    name: str
    app: str  # for `celery -A`
    queue: str
    environment: Mapping[str, str]  # of its processes, beside the bench's own
    companions: Sequence[list[str]]  # modules and arguments of what runs beside the worker

    def prepare(self, workload: Workload) -> None:
        """Define the DAG where the system wants that done once; not measured."""

    def launch(self, workload: Workload) -> str:
        """Start one run; its id."""

    def wait(self, runs: list[str], timeout: float) -> float:
        """Until every run has ended; the time (epoch) at which the last one did."""

    def forget(self) -> None:
        """Clear what runs left behind where it would not stay in production; not measured."""


class NotFinished(AssertionError):
    """A run did not end in time."""


def broker_url(database: int) -> str:
    """The shared Valkey, a database for each system, so that their keys never mix."""
    return f"{os.environ[BROKER]}/{database}"


def reference_app(name: str, database: int) -> Celery:
    """A Celery application with the shared settings and its own queue."""
    app = Celery(name, broker=broker_url(database), backend=broker_url(database), set_as_current=False)
    app.conf.update(SETTINGS, task_default_queue=name)
    app.conf.broker_transport_options = {"visibility_timeout": 43_200}
    return app


def store(database: int) -> redis.Redis:
    """A plain client of a system's database; it connects at first use, after the fork of a worker."""
    return redis.Redis.from_url(broker_url(database), decode_responses=True, socket_timeout=None)
