"""People with their permissions, and a DAG with runs in every state, made by the engine's own transitions."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from django.contrib.auth.models import Permission, User
from django.test import Client

from workflows.core.states import Reason, TaskState
from workflows.engine import launch, plans, publish, transitions
from workflows.engine.rows import Attempted, Claim
from workflows.models import Dag, DagRun, DagVersion, LogChunk, Node, TaskExecution

DOCUMENT = """\
id: sales
name: Daily sales
description: Fetch and publish.
config: {owner: data-team, tags: [nightly]}
params:
  day: {type: string, format: date, default: "{{ run.logical_date | date }}"}
  rows: {type: integer, default: 3, minimum: 1}
tasks:
  fetch: {type: shell, command: "echo fetch"}
  clean: {type: shell, command: "echo clean", depends_on: [fetch]}
  load: {type: shell, command: "echo load", depends_on: [clean]}
"""


def person(name: str, *permissions: str) -> User:
    """A member of staff with permissions of our app."""
    user = User.objects.create_user(name, password="x", is_staff=True)
    user.user_permissions.set(Permission.objects.filter(content_type__app_label="workflows", codename__in=permissions))
    return user


def logged_in(user: User) -> Client:
    """A browser in which the user is logged in."""
    client = Client()
    client.force_login(user)
    return client


ALL_VIEWS = tuple(
    f"view_{model}"
    for model in (
        *("dag", "dagversion", "dagrun", "taskexecution", "taskattempt"),
        *("event", "logchunk", "nodepool", "node", "brokermark", "approval", "callback", "eventcursor"),
        *("dagtemplate", "backfill", "backfilldate", "schedule"),
    )
)


@pytest.fixture
def root(db: None) -> Client:
    """A superuser's browser."""
    return logged_in(User.objects.create_superuser("root", password="x"))


@pytest.fixture
def viewer(db: None) -> Client:
    """Somebody who may read everything and do nothing."""
    return logged_in(person("viewer", *ALL_VIEWS))


@pytest.fixture
def stranger(db: None) -> Client:
    """A member of staff without any permission."""
    return logged_in(person("stranger"))


@pytest.fixture
def version(db: None) -> DagVersion:
    """The published document."""
    return publish.publish(DOCUMENT, note="the first")


@pytest.fixture
def dag(version: DagVersion) -> Dag:
    """Its DAG."""
    return version.dag


@pytest.fixture
def start(db: None) -> Callable[..., DagRun]:
    """Starts runs; their messages are never sent, since the test's transaction never commits."""

    def go(dag_id: str = "sales") -> DagRun:
        return launch.launch(dag_id, on_commit=True)

    return go


def claim(run: DagRun, position: int, attempt: int = 1) -> Claim:
    """Take a queued task as a worker does."""
    held = transitions.claim(run.pk, position, -1, attempt, token=uuid.uuid4(), node="w1@host", lease=30)
    assert held is not None
    return held


def succeed(run: DagRun, position: int, output: str = "null") -> None:
    """Run a queued task to its success."""
    below = plans.plan_of(run.version_id).tasks[position].downstream
    assert transitions.succeed(claim(run, position), output=output, below=below) is not None


def fail(run: DagRun, position: int, message: str) -> None:
    """Run a queued task to its failure; what is below stays pending."""
    held = claim(run, position)
    assert transitions.move_task(
        Attempted(execution_id=held.execution_id, attempt=1, token=held.token),
        expect=TaskState.RUNNING,
        to=TaskState.FAILED,
        reason=Reason.ERROR,
        message=message,
    )


@dataclass(frozen=True)
class Story:
    """A run in which one task succeeded, one failed and one waits, with a log."""

    run: DagRun
    fetch: TaskExecution
    clean: TaskExecution
    load: TaskExecution


@pytest.fixture
def story(dag: Dag, start: Callable[..., DagRun]) -> Story:
    """The run that most tests look at."""
    run = start()
    succeed(run, 0, '{"rows": 3, "text": "<script>alert(1)</script>"}')
    fail(run, 1, "<b>it broke</b>")
    fetch, clean, load = run.tasks.order_by("position")
    for seq, (stream, text) in enumerate([("stdout", "hello\n"), ("stderr", "\x1b[31m<i>oh</i>\x1b[0m\n")]):
        LogChunk.objects.create(task_execution_id=fetch.pk, attempt=1, seq=seq, stream=stream, text=text)
    Node.objects.create(name="w1@host", hostname="host", pid=1, queues=["celeriac"], concurrency=2)
    return Story(run=run, fetch=fetch, clean=clean, load=load)
