"""The shop of examples/host_project: its own settings and Celery application, real processes, real servers.

An order that commits has its run, and an order that is rolled back has none, though both called `launch` the same way.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest

from orchestrator.standalone import ports
from tests.support.servers import Servers
from tests.support.stack import LiveProcess
from tests.support.waiting import eventually, stays

SHOP = Path(__file__).resolve().parents[2] / "examples" / "host_project"
DATABASE = "shop"


class Shop:
    """The shop's processes and a customer."""

    def __init__(self, servers: Servers, database_url: str, broker_url: str, logs: Path) -> None:
        self.database_url = database_url
        self.port = ports.choose()
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=20, trust_env=False)
        self._servers = servers
        self._logs = logs
        self._processes: list[LiveProcess] = []
        # Nothing of Celeriac's own project: the shop finds its settings by itself.
        inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DJANGO_", "CELERIAC_", "PYTEST_"))}
        self._env = inherited | {
            "DATABASE_URL": database_url,
            "BROKER_URL": broker_url,
            "SECRET_KEY": "only-for-this-test",
            "PYTHONPATH": str(SHOP),
            "PYTHONUNBUFFERED": "1",
        }

    def manage(self, *arguments: str) -> str:
        """Run one of the shop's management commands to its end."""
        command = [sys.executable, str(SHOP / "manage.py"), *arguments]
        done = subprocess.run(command, cwd=SHOP, env=self._env, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def start(self) -> None:
        """Start what a shop runs: web, worker, reconciler."""
        manage = [sys.executable, str(SHOP / "manage.py")]
        worker = [
            sys.executable,
            "-m",
            "celery",
            "-A",
            "shop",
            "worker",
            "-Q",
            "shop,celeriac",
            "-c",
            "2",
            "-l",
            "INFO",
        ]
        started = self._run("worker", worker)
        self._run("reconciler", [*manage, "reconcile", "--forever"])
        web = self._run("web", [*manage, "runserver", "--noreload", f"127.0.0.1:{self.port}"])
        eventually(lambda: ports.answers(self.port) or not web.alive(), 40, saying="the shop's web never listened")
        started.wait_ready()

    def _run(self, name: str, command: list[str]) -> LiveProcess:
        log = self._logs / f"{name}.log"
        process = LiveProcess(name, command, env=self._env, log=log, guardian=self._servers.guardian)
        self._processes.append(process)
        process.start()
        return process

    def order(self, product: int, quantity: int) -> httpx.Response:
        """Place an order as a browser does."""
        self.client.get("/orders")
        token = self.client.cookies["csrftoken"]
        return self.client.post(
            "/orders", data={"product": product, "quantity": quantity}, headers={"X-CSRFToken": token}
        )

    def count(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.ask(f"SELECT count(*) FROM {table}")[0])

    def ask(self, query: Any) -> tuple[Any, ...]:
        """The first row of a query."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(query).fetchone() or ()

    def logs(self) -> str:
        """The end of each process's log."""
        return "\n".join(f"--- {p.name}\n{p.log()[-3000:]}" for p in self._processes)

    def end(self) -> None:
        """Stop everything."""
        self.client.close()
        for process in reversed(self._processes):
            process.end()


@pytest.fixture
def shop(servers: Servers, postgres: str, broker: str) -> Iterator[Shop]:
    """A shop with one product; its processes are not started yet."""
    directory = Path(tempfile.mkdtemp(prefix="celeriac-shop-"))
    found = Shop(servers, servers.create_database(DATABASE), broker, directory)
    try:
        found.manage("migrate", "-v0")
        found.manage("dag_import", "orders/dags")
        found.manage(
            "shell", "-c", "from orders.models import Product; Product.objects.create(name='pear', price=30, stock=5)"
        )
        yield found
    finally:
        found.end()
        servers.drop_database(DATABASE)
        shutil.rmtree(directory, ignore_errors=True)


def test_a_run_exists_if_and_only_if_the_order_does(shop: Shop) -> None:
    shop.start()
    product = shop.client.get("/orders").json()["products"][0]["id"]

    placed = shop.order(product, 2)
    assert placed.status_code == 201, placed.text
    number = placed.json()["order"]
    eventually(lambda: shop.client.get(f"/orders/{number}").json()["run"] == "success", 40, saying=lambda: shop.logs())
    assert shop.client.get(f"/orders/{number}").json() == {
        "charged": 60,
        "receipt": "2 x pear: 0.60 paid",
        "run": "success",
    }

    refused = shop.order(product, 4)  # three are left
    assert refused.status_code == 409, refused.text
    assert shop.ask("SELECT stock FROM orders_product") == (3,)

    def unchanged() -> bool:
        tables = ("orders_order", "workflows_dagrun", "workflows_taskexecution", "workflows_taskattempt")
        return [shop.count(table) for table in tables] == [1, 1, 3, 3]

    stays(unchanged, 2.0, every=0.2)  # two sweeps of the reconciler: nobody finds a run that was rolled back
    assert "all" in shop.manage("check_invariants", "--quiescent")


def test_a_launch_inside_a_transaction_must_say_so(shop: Shop) -> None:
    code = (
        "from django.db import transaction\n"
        "from workflows.engine.launch import launch\n"
        "with transaction.atomic():\n"
        "    try:\n"
        "        launch('fulfil_order', params={'order': 1})\n"
        "    except RuntimeError as error:\n"
        "        print(error)\n"
    )
    assert "on_commit=True" in shop.manage("shell", "-c", code)
    assert shop.count("workflows_dagrun") == 0


def test_it_can_be_taken_out_again(shop: Shop) -> None:
    shop.manage("migrate", "workflows", "zero", "-v0")
    left = shop.ask("SELECT count(*) FROM pg_class WHERE relname LIKE 'workflows%'")
    assert left == (0,)
    shop.manage("migrate", "-v0")
