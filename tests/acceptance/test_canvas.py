"""The canvases that are really sent: their bytes against the compiler's bound, and that Celery delivers them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
import redis
from pytest_django import DjangoDbBlocker

from tests.support.servers import Servers
from tests.support.staging import Stage, deed, staged
from tests.support.waiting import eventually
from workflows import tasks as registered  # noqa: F401  (a worker's signal handlers add to a message)
from workflows.conf import conf
from workflows.core.compiler import message_bytes
from workflows.core.plan import Plan

LONGEST = 200  # characters of a task's and of a DAG's id
HARD_LIMIT = 64_000


def messages(url: str) -> list[bytes]:
    """Every message in every queue, of all priorities."""
    client = redis.Redis.from_url(url)
    lists = [key for key in client.keys("celeriac:celeriac*") if client.type(key) == b"list"]
    found = [message for key in lists for message in client.lrange(key, 0, -1)]
    client.close()
    return found


def named(name: str, length: int) -> str:
    """An id of that many characters."""
    return name + "x" * (length - len(name))


def chain(length: int) -> dict[str, Any]:
    """The longest chain that one canvas carries."""
    names = [named(f"c{n}", length) for n in range(conf.CANVAS_MAX_CHAIN)]
    ups = [[], *([name] for name in names)]
    return {name: deed("look", depends_on=up, timeout=3600.5, priority=0) for name, up in zip(names, ups, strict=False)}


def task(length: int) -> dict[str, Any]:
    """One task, sent alone."""
    return {named("t", length): deed("look", timeout=3600.5, priority=0)}


def chord(length: int) -> dict[str, Any]:
    """The widest chord, of chains of two."""
    heads = [named(f"h{n}", length) for n in range(conf.CANVAS_MAX_HEADER)]
    seconds = [named(f"s{n}", length) for n in range(conf.CANVAS_MAX_HEADER)]
    tasks = {head: deed("look", timeout=3600.5, priority=0) for head in heads}
    tasks |= {
        second: deed("look", timeout=3600.5, priority=0, depends_on=[head])
        for head, second in zip(heads, seconds, strict=True)
    }
    tasks[named("body", length)] = deed("look", depends_on=seconds, timeout=3600.5, priority=0)
    return tasks


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("length", [2, 30, LONGEST])
@pytest.mark.parametrize("shape", [task, chain, chord])
def test_messages_are_within_the_compilers_bound(broker: str, shape: Any, length: int) -> None:
    """With no worker, what is sent stays in the broker and can be weighed."""
    from workflows.engine import plans
    from workflows.engine.launch import launch
    from workflows.engine.publish import publish

    version = publish({"id": named("d", length), "tasks": shape(length)})
    plan = plans.plan_of(version.pk)
    launch(version)
    sent = messages(broker)
    largest = max(len(message) for message in sent)
    kinds = [segment.kind for segment in plan.segments]
    assert kinds == [shape.__name__]
    assert len(sent) == len(plan.segments[0].heads)
    bound = max(message_bytes(plan, segment) for segment in plan.segments)
    print(f"{shape.__name__} of ids of {length}: {largest} bytes, bound {bound}")
    assert largest <= bound <= conf.CANVAS_MAX_BYTES < HARD_LIMIT
    assert bound < 2.5 * largest, "a bound far above the truth makes canvases needlessly small"


@pytest.fixture(scope="module")
def stage(
    servers: Servers, _valkey: str, _template_database: str, django_db_blocker: DjangoDbBlocker
) -> Iterator[Stage]:
    with staged(servers, _valkey, _template_database, django_db_blocker) as start:
        yield start(concurrency=2)


def plan_of(run: int) -> Plan:
    from workflows.engine import plans
    from workflows.models import DagRun

    return plans.plan_of(DagRun.objects.get(pk=run).version_id)


def resent(stage: Stage) -> bool:
    """Whether the reconciler has had to send anything again."""
    return "resent" in stage.stack["reconciler"].log()


def chords(stage: Stage) -> tuple[int, int]:
    """(delivered, still counting): what Celery's Redis backend keeps of each chord."""
    client = redis.Redis.from_url(stage.stack.broker_url)
    done = [key for key in client.keys("celeriac:celery-taskset-meta-*.c") if client.get(key) == b"done"]
    counting = client.keys("celeriac:celery-taskset-meta-*.s")
    client.close()
    return len(done), len(counting)


def test_celery_itself_delivers_the_tasks_of_a_chain(stage: Stage) -> None:
    run = stage.run("chained", {**chain(3)})
    assert stage.ended(run) == ["success"]
    assert [segment.kind for segment in plan_of(run).segments] == ["chain"]
    lines = stage.lines("start", run)
    ids = [f"{run}.{n}-1" for n in range(len(lines))]
    assert [line["celery_id"] for line in lines] == ids
    assert [line["chain"] for line in lines] == list(range(len(lines) - 1, -1, -1))
    assert [line["parent"] for line in lines] == [None, *ids[:-1]]
    assert {line["root"] for line in lines} <= {ids[0], None}
    assert [line["shadow"] for line in lines] == [f"chained.{line['task']}" for line in lines]
    assert not resent(stage)
    stage.check(run)


def test_celery_itself_delivers_the_body_of_a_chord(stage: Stage) -> None:
    """Again and again, as a body that is lost now and then would be sent by the reconciler, late."""
    delivered, counting = chords(stage)
    runs = [stage.run("chorded", chord(4)) for _ in range(5)]
    assert stage.ended(*runs) == ["success"] * 5
    assert chords(stage) == (delivered + 5, counting)
    for run in runs:
        assert [segment.kind for segment in plan_of(run).segments] == ["chord"]
        (body,) = [line for line in stage.lines("start", run) if line["task"].startswith("body")]
        seconds = [line for line in stage.lines("start", run) if line["task"].startswith("s")]
        assert all(line["chord"] for line in seconds)
        assert body["shadow"] == f"chorded.{body['task']}"
        stage.check(run)
    assert not resent(stage)
    log = stage.stack["worker"].log()
    assert not [run for run in runs if f"[{run}.16-1] ignored" in log], "the engine sent the body, too"


def test_a_retry_in_the_header_leaves_the_chord_to_the_engine(stage: Stage) -> None:
    """Celery would wait for ever: the part that was retried is not in its chord."""
    tasks = chord(4)
    first, second = (deed("look", **fields) for fields in ({"fail_until": 1}, {"fail_until": 2}))
    tasks[named("h0", 4)] |= {"parameters": first["parameters"], "retry": {"max_attempts": 2, "delay": 0}}
    tasks[named("s3", 4)] |= {"parameters": second["parameters"], "retry": {"max_attempts": 3, "delay": 0.2}}
    delivered, counting = chords(stage)
    run = stage.run("broken_chord", tasks)
    assert [segment.kind for segment in plan_of(run).segments] == ["chord"]
    assert stage.ended(run) == ["success"]
    assert stage.attempts(run, named("h0", 4)) == ["retrying/error", "success"]
    assert stage.attempts(run, named("s3", 4)) == ["retrying/error", "retrying/error", "success"]
    assert chords(stage) == (delivered, counting + 1)
    assert not resent(stage)
    stage.check(run)


def test_a_failure_in_a_chain_stops_the_canvas_and_settles_what_follows(stage: Stage) -> None:
    tasks = chain(3)
    tasks[named("c1", 3)]["parameters"] = deed("look", fail_until=9)["parameters"]
    run = stage.run("broken_chain", tasks)
    assert stage.ended(run) == ["failed"]
    assert [line["task"] for line in stage.lines("start", run)] == [named("c0", 3), named("c1", 3)]
    assert stage.tasks(run)[named("c3", 3)] == "upstream_failed/upstream_failed"
    stage.check(run)


def test_the_parts_of_a_canvas_that_celery_sends_are_within_the_bound(stage: Stage) -> None:
    """A chain's second message and a chord's body, kept in the queue of a pool that nobody serves."""
    from workflows.engine import control
    from workflows.models import NodePool

    NodePool.objects.create(name="unserved")
    tail = [named(f"c{n}", LONGEST) for n in range(4)]
    tasks: dict[str, Any] = {tail[0]: deed("look", timeout=3600.5)}
    for before, name in pairwise(tail):
        tasks[name] = deed("look", depends_on=[before], timeout=3600.5) | {"pool": "unserved"}
    heads = [named(f"h{n}", LONGEST) for n in range(8)]
    tasks |= {head: deed("look") for head in heads}
    tasks[named("body", LONGEST)] = deed("look", depends_on=heads) | {"pool": "unserved"}
    run = stage.run(named("d", LONGEST), tasks)
    assert sorted(segment.kind for segment in plan_of(run).segments) == ["chain", "chord"]
    queue = "celeriac:celeriac.unserved"
    client = redis.Redis.from_url(stage.stack.broker_url)
    keys = eventually(lambda: len(found := client.keys(f"{queue}*")) == 1 and found, 10)
    sent = eventually(lambda: len(all_ := client.lrange(keys[0], 0, -1)) == 2 and all_, 10)
    client.close()
    bound = max(message_bytes(plan_of(run), segment) for segment in plan_of(run).segments)
    tasks_of = {json.loads(message)["headers"]["id"] for message in sent}
    assert len(tasks_of) == 2
    assert max(len(message) for message in sent) <= bound
    control.cancel_run(run)
