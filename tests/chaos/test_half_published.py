"""A dispatch of which the broker took one half: each task runs once, and the rest costs a sweep."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.support.staging import Stage, deed
from workflows.executors import send


def stops_after(monkeypatch: pytest.MonkeyPatch, messages: int) -> None:
    """The broker goes away after so many messages of this process."""
    real, left = send.publish, [messages]

    def publish(*args: Any, **options: Any) -> None:
        if not left[0]:
            raise OSError("the broker went away")
        left[0] -= 1
        real(*args, **options)

    monkeypatch.setattr(send, "publish", publish)


def each_ran_once(stage: Stage, run: int) -> None:
    assert stage.ended(run) == ["success"]
    tasks = stage.tasks(run)
    assert [line["attempt"] for line in stage.lines("start", run)] == [1] * len(tasks)
    assert len({line["task"] for line in stage.lines("start", run)}) == len(tasks)
    stage.check(run)


def test_half_a_fan_out(stage_of: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch) -> None:
    stage = stage_of()
    stops_after(monkeypatch, 4)
    run = stage.run("half_a_fan_out", {f"t{n}": deed("work") for n in range(10)})
    each_ran_once(stage, run)


@pytest.mark.parametrize("messages", [0, 1, 2, 3])
def test_half_a_chord(stage_of: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch, messages: int) -> None:
    """Some of its header is out, Celery counts to a number that never comes, and the body is carried by nobody."""
    stage = stage_of(CANVAS_MAX_HEADER=8)
    stops_after(monkeypatch, messages)
    heads = [f"h{n}" for n in range(4)]
    run = stage.run(
        "half_a_chord",
        {name: deed("work") for name in heads}
        | {"body": deed("work", depends_on=heads), "after": deed("work", depends_on=["body"])},
    )
    each_ran_once(stage, run)
