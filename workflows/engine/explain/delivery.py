"""The gates between a queued task and its worker: the broker, the workers of the queue, the message, the lease."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from workflows.conf import conf
from workflows.core.states import TaskState
from workflows.engine import health
from workflows.engine.explain.facts import Seen, TaskFacts, blocked, passed
from workflows.engine.explain.words import MOST, listed, many, moment, span
from workflows.executors import broker
from workflows.models import Node


def sweeping() -> str:
    """What comes next when the reconciler is to act: the end of a sentence."""
    check = next(iter(health.reconciler()))
    if check.status == "ok":
        return ", and the reconciler is about to see it"
    return f", and no reconciler is there to see it ({check.message}): start `manage.py reconcile --forever`"


def broker_gate(facts: TaskFacts) -> Seen:
    """Whether the broker answers, and how much waits in the queue."""
    queue = facts.task.queue
    if facts.task_state is not TaskState.QUEUED:
        return passed("no message has to reach it")
    length = broker.queue_length(queue)
    if length is None:
        return blocked("the broker does not answer: messages are sent when it is back", queue=queue)
    return passed(f"the broker answers; {many(length, 'message')} in queue {queue}", queue=queue, length=length)


def workers(facts: TaskFacts) -> Seen:
    """Whether a live worker takes the queue, and has a free process."""
    if facts.task_state is not TaskState.QUEUED:
        return passed("no worker has to be found for it")
    queue = facts.task.queue
    since = facts.now - timedelta(seconds=conf.LEASE_SECONDS)
    there = list(Node.objects.filter(stopped_at__isnull=True, queues__contains=[queue]).order_by("name"))
    alive = [node for node in there if node.heartbeat_at > since]
    silent = [node.name for node in there if node.heartbeat_at <= since]
    idle = [node.name for node in alive if node.stalled_at is not None]
    alive = [node for node in alive if node.stalled_at is None]
    busy, size = sum(n.running for n in alive), sum(n.concurrency for n in alive)
    names = [node.name for node in alive]
    data: dict[str, Any] = {"queue": queue, "nodes": names[:100], "silent": silent[:100], "stalled": idle[:100]}
    if not alive:
        found = [f"{name} fell silent" for name in silent] + [f"{name} is alive and takes nothing" for name in idle]
        more = f" ({listed(found, MOST)})" if found else ""
        return blocked(f"no live worker takes queue {queue}{more}: start one with `-Q {queue}`", **data)
    told = listed([node.name for node in alive], MOST)
    data |= {"running": busy, "concurrency": size}
    if busy >= size:
        return blocked(f"every process of {told} is busy ({busy} of {size})", **data)
    return passed(f"{told} takes queue {queue}, with {busy} of {size} processes busy", **data)


def message(facts: TaskFacts) -> Seen:
    """Whether its message is on its way."""
    task = facts.task
    if facts.task_state is not TaskState.QUEUED:
        return passed("it needs no message")
    sent = task.sent_at or task.queued_at
    data = {"queued_at": task.queued_at, "sent_at": task.sent_at, "attempt": task.attempt}
    assert sent is not None, "the check task_sound: what is queued has the time of it"
    age = facts.since(sent)
    how = "sent again" if task.sent_at else "queued"
    if age <= conf.REDELIVER_SECONDS:
        return blocked(f"it was {how} {span(age)} ago: a worker is about to take it", **data)
    return blocked(f"it was {how} {span(age)} ago and was not taken{_lost()}", **data)


def _lost() -> str:
    check = next(iter(health.reconciler()))
    if check.status != "ok":
        return f"; if its message was lost nobody sends it again, as no reconciler sweeps ({check.message})"
    return ": others are before it in the queue, or the reconciler sends it again when it finds the message gone"


def running(facts: TaskFacts) -> Seen:
    """Who runs it, and whether they still say so."""
    task = facts.task
    if facts.task_state is not TaskState.RUNNING:
        return passed("it does not run now")
    assert task.started_at is not None, "the check task_sound: what runs has started"
    assert task.lease_until is not None, "the check task_sound: what runs has a lease"
    node = Node.objects.filter(name=task.node).first()
    data = {
        "node": task.node,
        "started_at": task.started_at,
        "lease_until": task.lease_until,
        "heartbeat_at": node.heartbeat_at if node else None,
        "attempt": task.attempt,
        "timeout": task.timeout,
    }
    says = f"attempt {task.attempt} runs since {span(facts.since(task.started_at))} on {task.node}"
    if task.lease_until < facts.now:
        over = span(facts.since(task.lease_until))
        return blocked(f"{says}, but its lease is over since {over}{sweeping()}", **data)
    heard = f", heard of {span(facts.since(node.heartbeat_at))} ago" if node else ""
    return passed(f"{says}{heard}; its lease holds until {moment(task.lease_until)}", **data)
