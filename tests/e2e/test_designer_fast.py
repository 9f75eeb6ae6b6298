"""The designer stays quick at thousands of tasks: it opens, drags and types at the speed of hands."""

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


def large(count: int) -> dict[str, Any]:
    """So many tasks, each behind one or two of the forty before it."""
    chance = random.Random(1)
    tasks: dict[str, Any] = {}
    for place in range(count):
        tasks[f"task_{place}"] = {"type": "shell", "command": f"echo {place}"}
        if place > 20:
            ups = {chance.randrange(max(0, place - 40), place) for _ in range(2)}
            tasks[f"task_{place}"]["depends_on"] = [f"task_{up}" for up in sorted(ups)]
    return {"id": "large", "tasks": tasks}


def opened(visits: Visits, tasks: int) -> tuple[Page, float]:
    """The designer on a large DAG, and how many seconds it took to be drawn."""
    visit = visits()
    publish.publish(large(tasks))
    page = visit.log_in("root")
    start = perf_counter()
    page.goto(f"{visit.url}/admin/workflows/dag/{Dag.objects.get().pk}/designer/")
    page.locator(".graph-node").first.wait_for()
    return page, perf_counter() - start


def test_a_thousand_tasks(visits: Visits) -> None:
    page, seconds = opened(visits, 1_000)
    page.get_by_role("button", name="Zoom in").click(click_count=6, delay=60)
    frame = statistics.mean(drag(page, in_the_middle(page)))
    page.keyboard.press("Escape")
    page.locator(".graph-node").first.click()
    key = statistics.median(typed(page))
    print(f"designer, 1,000 tasks: drawn after {seconds:.2f} s, {1000 / frame:.0f} fps, key to paint {key:.0f} ms")
    assert seconds < 2.0
    assert frame < 1000 / 30
    assert key < 100


def test_five_thousand_tasks(visits: Visits) -> None:
    page, seconds = opened(visits, 5_000)
    pane = page.locator(".react-flow__pane").bounding_box()
    assert pane
    place = page.locator(".react-flow__viewport").get_attribute("style")
    page.mouse.move(pane["x"] + 6, pane["y"] + 6)  # a corner, where no task is
    page.mouse.down()
    frame = statistics.mean(moved(page, pane["x"] + 6, pane["y"] + 6))
    page.mouse.up()
    assert page.locator(".react-flow__viewport").get_attribute("style") != place
    print(f"designer, 5,000 tasks: drawn after {seconds:.2f} s, pans with {1000 / frame:.0f} fps")
    assert seconds < 6.0
    assert frame < 1000 / 10


def in_the_middle(page: Page) -> FloatRect:
    """A task that the hand can take."""
    boxes = [box for node in page.locator(".graph-node").all() if (box := node.bounding_box())]
    return min(boxes, key=lambda box: abs(box["x"] - 700) + abs(box["y"] - 450))


def drag(page: Page, box: FloatRect) -> list[float]:
    """Milliseconds of the frames while a task is dragged."""
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x, y)
    page.mouse.down()
    frames = moved(page, x, y)
    page.mouse.up()
    return frames


def moved(page: Page, x: float, y: float) -> list[float]:
    """Milliseconds of the frames while the mouse moves on."""
    page.evaluate(WATCH_FRAMES)
    for step in range(90):
        page.mouse.move(x + step, y + step % 30)
    frames: list[float] = page.evaluate("() => window.frames_seen")
    return frames[3:]


def typed(page: Page) -> list[float]:
    """Milliseconds from key to paint."""
    field = page.get_by_label("Command", exact=True)
    field.focus()
    page.evaluate(WATCH_KEYS)
    for place, letter in enumerate("abcdefghijklmno"):
        page.keyboard.press(letter)
        page.wait_for_function("count => window.keys_seen.length === count", arg=place + 1)
    keys: list[float] = page.evaluate("() => window.keys_seen")
    return keys
