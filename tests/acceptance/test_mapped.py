"""Mapped tasks and limits on real workers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.support.servers import Servers
from tests.support.staging import Stage, staged
from workflows.engine import invariants


@pytest.fixture(scope="module")
def stage(
    servers: Servers, _valkey: str, _template_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stage]:
    with staged(servers, _valkey, _template_database, django_db_blocker) as start:
        yield start(concurrency=2)


def python(script: str, **fields: object) -> dict[str, object]:
    """An inline python task."""
    return {"type": "python", "script": script, **fields}


def test_items_flow_from_a_list_to_one_output(stage: Stage) -> None:
    """A list made by one task, an item each, the outputs as one list and one mapping below."""
    from workflows.models import TaskExecution

    run = stage.run(
        "mapped",
        {
            "find": python("output = [{'n': n} for n in range(7)]"),
            "square": python(
                "output = kwargs['n'] ** 2",
                parameters={"kwargs": {"n": "{{ item.n }}"}},
                depends_on=["find"],
                foreach="{{ tasks.find.output }}",
                foreach_concurrency=3,
            ),
            "named": python(
                "output = kwargs['text']",
                parameters={"kwargs": {"text": "{{ item.key }}={{ item.value }}"}},
                foreach={"a": 1, "b": "two"},
            ),
            "odd": python(
                "output = kwargs['n']",
                parameters={"kwargs": {"n": "{{ item }}"}},
                foreach=[1, 2, 3],
                condition="item % 2 == 1",
            ),
            "sum": python(
                "output = [sum(kwargs['squares']), kwargs['named'], kwargs['odd']]",
                parameters={
                    "kwargs": {
                        "squares": "{{ tasks.square.output }}",
                        "named": "{{ tasks.named.output }}",
                        "odd": "{{ tasks.odd.output }}",
                    }
                },
                depends_on=["square", "named", "odd"],
            ),
        },
    )
    assert stage.ended(run, timeout=60) == ["success"]
    assert TaskExecution.objects.get(run=run, task_id="sum").output == [
        91,
        {"a": "a=1", "b": "b=two"},
        [1, None, 3],
    ]
    assert not [finding for finding in invariants.audit(run, quiescent=True) if not finding.holds]


def test_a_foreach_that_is_no_list_says_so(stage: Stage) -> None:
    from workflows.models import TaskExecution

    run = stage.run(
        "unmapped",
        {"find": python("output = 5"), "each": python("pass", depends_on=["find"], foreach="{{ tasks.find.output }}")},
    )
    assert stage.ended(run) == ["failed"]
    row = TaskExecution.objects.get(run=run, task_id="each")
    assert (row.reason, row.message) == ("bad_input", "foreach came to int 5, not to a list or a mapping")
