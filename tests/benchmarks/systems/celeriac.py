"""Celeriac itself, through its public functions, beside it the reconciler, as in an installation."""

from __future__ import annotations

import os
import secrets
import time
from pathlib import Path
from typing import Any

import psycopg

from tests.benchmarks.systems.base import NotFinished
from tests.benchmarks.workers import pause
from tests.benchmarks.workloads import Workload
from tests.support.servers import Servers

POLL_SECONDS = 0.02
STATES = "SELECT id, state, extract(epoch FROM ended_at) FROM workflows_dagrun WHERE id = ANY (%s)"
OVER = ("success", "failed", "cancelled")


def dag_id(workload: Workload) -> str:
    """The DAG's id."""
    return f"bench_{workload.name.lower().replace('-', '_')}_{workload.n}"


def document(workload: Workload) -> dict[str, Any]:
    """The workload as a document of no-op python tasks."""
    return {
        "id": dag_id(workload),
        "tasks": {
            f"t{task}": {
                "type": "python",
                "parameters": {"callable": "tests.benchmarks.noop:noop", "kwargs": {"task": task}},
                "depends_on": [f"t{up}" for up in above],
            }
            for task, above in enumerate(workload.upstream)
        },
    }


class Celeriac:
    """The driver."""

    name = "celeriac"
    app = "orchestrator"
    queue = "celeriac"
    companions = (["manage", "reconcile", "--forever"],)

    def __init__(self, servers: Servers, home: Path) -> None:
        self.environment = {
            "DJANGO_SETTINGS_MODULE": "orchestrator.settings",
            "DATABASE_URL": servers.database_url,
            "BROKER_URL": servers.broker_url,
            "CELERIAC_HOME": str(home),
            "CELERIAC_PYTHON_MODULES": "tests.benchmarks",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "LOG_LEVEL": "WARNING",
        }
        os.environ |= self.environment
        import django
        from django.core.management import call_command

        django.setup()
        # Read by now; left here, `celery` would take BROKER_URL for the broker of every other system.
        for name in self.environment:
            del os.environ[name]
        call_command("migrate", verbosity=0)
        self._session = psycopg.connect(servers.database_url, autocommit=True)

    def prepare(self, workload: Workload) -> None:
        """Publish the document; the same content is the same version."""
        from workflows.engine.publish import publish

        publish(document(workload))

    def launch(self, workload: Workload) -> str:
        """Start a run."""
        from workflows.engine.launch import launch

        return str(launch(dag_id(workload)).pk)

    def wait(self, runs: list[str], timeout: float) -> float:
        """Until every run has ended, all in success; when the last one did, by the database's clock."""
        until, ids = time.monotonic() + timeout, [int(run) for run in runs]
        while True:
            rows = self._session.execute(STATES, (ids,), prepare=True).fetchall()
            if all(state in OVER for _, state, _ in rows):
                break
            if time.monotonic() > until:
                raise NotFinished(f"celeriac: runs did not end in {timeout:.0f} s: {rows[:5]}")
            pause(POLL_SECONDS)
        if unwell := [(run, state) for run, state, _ in rows if state != "success"]:
            raise NotFinished(f"celeriac: runs did not succeed: {unwell[:5]}")
        return max(float(ended) for _, _, ended in rows)

    def forget(self) -> None:
        """Nothing: rows stay, as they would."""
