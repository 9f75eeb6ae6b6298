"""The designer stays quick at a thousand tasks: it opens, drags and types at the speed of hands."""

from __future__ import annotations

import random
import statistics
from time import perf_counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.conftest import Visits
from workflows.engine import publish
from workflows.models import Dag

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page

pytestmark = pytest.mark.slow  # it measures, and wants a machine that does nothing else
TASKS = 1_000
WATCH_FRAMES = """() => {
    window.frames_seen = [];
    let last = performance.now();
    const see = (now) => { window.frames_seen.push(now - last); last = now; requestAnimationFrame(see); };
    requestAnimationFrame(see);
}"""
WATCH_KEYS = """() => {
    window.keys_seen = [];
    document.addEventListener("keydown", () => {
        const start = performance.now();
        requestAnimationFrame(() => setTimeout(() => window.keys_seen.push(performance.now() - start)));
    }, true);
}"""


def large() -> dict[str, Any]:
    """A thousand tasks, each behind one or two of the forty before it."""
    chance = random.Random(1)
    tasks: dict[str, Any] = {}
    for place in range(TASKS):
        tasks[f"task_{place}"] = {"type": "shell", "command": f"echo {place}"}
        if place > 20:
            ups = {chance.randrange(max(0, place - 40), place) for _ in range(2)}
            tasks[f"task_{place}"]["depends_on"] = [f"task_{up}" for up in sorted(ups)]
    return {"id": "large", "tasks": tasks}


def test_a_thousand_tasks(visits: Visits) -> None:
    visit = visits()
    publish.publish(large())
    page = visit.log_in("root")
    start = perf_counter()
    page.goto(f"{visit.url}/admin/workflows/dag/{Dag.objects.get().pk}/designer/")
    page.locator(".graph-node").first.wait_for()
    assert perf_counter() - start < 2.0
    page.get_by_role("button", name="Zoom in").click(click_count=6, delay=60)
    assert statistics.mean(drag(page, in_the_middle(page))) < 1000 / 30
    page.keyboard.press("Escape")
    page.locator(".graph-node").first.click()
    assert statistics.median(typed(page)) < 100


def in_the_middle(page: Page) -> FloatRect:
    """A task that the hand can take."""
    boxes = [box for node in page.locator(".graph-node").all() if (box := node.bounding_box())]
    return min(boxes, key=lambda box: abs(box["x"] - 700) + abs(box["y"] - 450))


def drag(page: Page, box: FloatRect) -> list[float]:
    """Milliseconds of the frames while a task is dragged."""
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    page.evaluate(WATCH_FRAMES)
    for step in range(90):
        page.mouse.move(x + step, y + step % 30)
    frames: list[float] = page.evaluate("() => window.frames_seen")
    page.mouse.up()
    return frames[3:]


def typed(page: Page) -> list[float]:
    """Milliseconds from key to paint."""
    field = page.get_by_label("Command", exact=True)
    field.focus()
    page.evaluate(WATCH_KEYS)
    for letter in "abcdefghijklmno":
        page.keyboard.press(letter)
        page.wait_for_timeout(120)
    keys: list[float] = page.evaluate("() => window.keys_seen")
    return keys
