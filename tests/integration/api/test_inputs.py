"""What a task gets, rendered for those who look."""

from __future__ import annotations

import time

import pytest
from rest_framework.test import APIClient

from tests.integration.api.conftest import ClientOf
from tests.support.hands import Done, dag, do, start
from workflows.models import NodePool

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("broker")]


@pytest.fixture(autouse=True)
def _pool(transactional_db: None) -> None:
    NodePool.objects.get_or_create(name="default")


def test_parameters_come_as_written_and_as_rendered(author: APIClient) -> None:
    document = dag(
        a={}, b={"type": "shell", "command": "echo {{ tasks.a.output.n }} {{ task.attempt }}", "depends_on": ["a"]}
    )
    run = start(document)
    address = f"/api/v1/runs/{run.pk}/tasks/b/inputs"
    before = author.get(address).json()
    assert before["rendered"] is None
    assert "n" in before["problem"]
    do(run, "a", Done(output={"n": 7}))
    after = author.get(address).json()
    assert after["written"]["command"] == "echo {{ tasks.a.output.n }} {{ task.attempt }}"
    assert (after["rendered"]["command"], after["problem"]) == ("echo 7 1", "")
    assert author.get(f"{address}?attempt=3").json()["rendered"]["command"] == "echo 7 3"


def test_statements_are_not_run_for_those_who_look(author: APIClient) -> None:
    loop = "{% for a in range(999) %}" * 3 + "{% endfor %}" * 3
    env = {"N": "{{ task.attempt }}"}
    run = start(dag(a={"type": "shell", "parameters": {"command": f"echo {loop}", "env": env}}))
    began = time.process_time()
    found = author.get(f"/api/v1/runs/{run.pk}/tasks/a/inputs").json()
    assert time.process_time() - began < 5
    assert (found["later"], found["problem"], found["rendered"]["env"]) == (["command"], "", {"N": 1})
    assert "command" not in found["rendered"]
    assert found["written"]["command"] == f"echo {loop}"


def test_a_mapped_task_has_the_inputs_of_its_items(author: APIClient) -> None:
    run = start(dag(m={"type": "shell", "command": "echo {{ item }}", "foreach": [1, 2]}))
    found = author.get(f"/api/v1/runs/{run.pk}/tasks/m/inputs").json()
    assert (found["rendered"], found["problem"]) == (None, "each of its items has inputs of its own")


def test_they_are_for_who_may_see_tasks(client_of: ClientOf) -> None:
    run = start(dag(a={}))
    assert client_of("view_dagrun").get(f"/api/v1/runs/{run.pk}/tasks/a/inputs").status_code == 403
