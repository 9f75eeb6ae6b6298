"""Two ways to work a page, with the same verbs: by mouse, and by nothing but keys. And the words of its languages."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING

from tests.support.servers import ROOT
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Locator, Page

MOST_STEPS = 200


@cache
def _words(language: str) -> dict[str, str]:
    name = {"en": "en", "zh": "zh-hans"}[language]
    files = sorted((ROOT / "frontend/src/locales" / name).glob("*.json"))
    return {key: word for file in files for key, word in json.loads(file.read_text(encoding="utf-8")).items()}


def words(language: str, key: str, **values: object) -> str:
    """What the page says for a key."""
    text = _words(language)[key]
    for name, value in values.items():
        text = text.replace("{" + name + "}", str(value))
    return text


@dataclass(frozen=True, slots=True)
class Hand:
    """What both have. Parts of the page are named by the keys of their words."""

    page: Page
    language: str

    def says(self, key: str, **values: object) -> str:
        """The page's word."""
        return words(self.language, key, **values)

    @property
    def panel(self) -> Locator:
        """The designer's side panel."""
        return self.page.locator(".workbench-panel")

    def field(self, key: str) -> Locator:
        """A field of the side panel."""
        return self.panel.get_by_role("textbox", name=self.says(key), exact=True)

    def node(self, task: str) -> Locator:
        """A task on the canvas."""
        return self.page.locator(f'.react-flow__node[data-id="{task}"]')

    def chosen(self, task: str) -> None:
        """Wait until the task is chosen."""
        self.page.locator(f'[data-task="{task}"].is-selected').wait_for()

    def saw_valid(self) -> None:
        """Wait until the server has found the draft to be right."""
        standing = self.page.locator('[data-testid="standing"][data-checked="true"]')
        standing.get_by_text(self.says("designer.valid")).wait_for()

    def touch(self, part: Locator) -> None:
        """Click it, or its twin."""
        raise NotImplementedError

    def write(self, part: Locator, text: str) -> None:
        """Replace the text of a field."""
        raise NotImplementedError

    def add(self, kind: str, task: str, after: str | None = None, row: int = 0) -> None:
        """Add a task of a type, alone or behind another one (so many rows below it), and give it its id."""
        raise NotImplementedError

    def connect(self, source: str, target: str) -> None:
        """Let one task wait for another."""
        raise NotImplementedError

    def option(self, part: Locator, value: str) -> None:
        """Choose among the options of a field."""
        raise NotImplementedError

    def pick(self, part: Locator) -> None:
        """Choose one of several."""
        raise NotImplementedError

    def press(self, key: str, *, within: str = "body") -> None:
        """Press a button."""
        self.touch(self.page.locator(within).get_by_role("button", name=self.says(key), exact=True).first)

    def save(self, note: str) -> None:
        """Save a new version."""
        raise NotImplementedError


class Mouse(Hand):
    """Clicks and drags; text is typed where the mouse has clicked."""

    def touch(self, part: Locator) -> None:
        """Click."""
        part.click()

    def write(self, part: Locator, text: str) -> None:
        """Click into it, and type."""
        part.click()
        part.fill(text)

    def add(self, kind: str, task: str, after: str | None = None, row: int = 0) -> None:
        """Drag from the palette, or out of a task into the void."""
        name = self.says(f"type.{kind}")
        if after is None:
            pane = self.page.locator(".react-flow__pane")
            palette = self.page.locator(".workbench-palette").get_by_role("button", name=name, exact=True)
            palette.drag_to(pane, target_position={"x": 110, "y": 330})
        else:
            self._make_room()
            self._drag(self._handle(after, "source"), self._beside(after, row))
            self.page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()
        self.write(self.field("field.id"), task)
        self.panel.locator(".task-head").click()  # the field is left
        self.chosen(task)

    def connect(self, source: str, target: str) -> None:
        """Drag from handle to handle."""
        self._make_room()
        self._drag(self._handle(source, "source"), self._handle(target, "target"))

    def option(self, part: Locator, value: str) -> None:
        """The browser's own list."""
        part.select_option(value)

    def pick(self, part: Locator) -> None:
        """Click."""
        part.click()

    def save(self, note: str) -> None:
        """By the buttons."""
        self.press("designer.save")
        self.page.get_by_label(self.says("designer.note")).fill(note)
        self.press("designer.save_version")

    def _make_room(self) -> None:
        """All tasks in sight, and free canvas around them: near its border the canvas would move along with a drag."""
        self.press("graph.fit")
        self.press("graph.zoom_out")
        self.press("graph.zoom_out")

    def _handle(self, task: str, side: str) -> tuple[float, float]:
        box = at_rest(self.node(task).locator(f".{side}"))
        return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2

    def _beside(self, task: str, row: int) -> tuple[float, float]:
        box = at_rest(self.node(task))
        return box["x"] + box["width"] * 1.4, box["y"] + box["height"] * (0.5 + 1.6 * row)

    def _drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move(*end, steps=8)
        self.page.mouse.up()


class Keys(Hand):
    """Nothing but keys."""

    def go_to(self, part: Locator) -> None:
        """Press Tab until the focus is there: to the page's end and on from its beginning."""
        part.wait_for()
        for _ in range(MOST_STEPS):
            if part.evaluate("element => element === document.activeElement"):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"no way by Tab to {part}")

    def touch(self, part: Locator) -> None:
        """Enter."""
        self.go_to(part)
        self.page.keyboard.press("Enter")

    def write(self, part: Locator, text: str) -> None:
        """Select all of it, and type."""
        self.go_to(part)
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def add(self, kind: str, task: str, after: str | None = None, row: int = 0) -> None:
        """Find the type in the palette; Shift connects."""
        if after is not None:
            self.touch(self.node(after))
            self.chosen(after)
        self.write(self.page.get_by_role("searchbox", name=self.says("designer.search_types")), kind)
        self.page.keyboard.press("Shift+Enter" if after else "Enter")
        self.write(self.field("field.id"), task)
        self.page.keyboard.press("Enter")
        self.chosen(task)

    def connect(self, source: str, target: str) -> None:
        """By the field of upstreams."""
        self.touch(self.node(target))
        self.chosen(target)
        self.go_to(self.panel.get_by_role("combobox", name=self.says("field.depends_on")))
        self.page.keyboard.insert_text(source)
        self.page.keyboard.press("Enter")

    def option(self, part: Locator, value: str) -> None:
        """Type what it is called."""
        self.go_to(part)
        self.page.keyboard.type(value)

    def pick(self, part: Locator) -> None:
        """Tab to the one that is chosen, then arrows."""
        part.wait_for()
        self.go_to(self.page.locator("input[type=radio]:checked"))
        for _ in range(MOST_STEPS):
            if part.is_checked():
                return
            self.page.keyboard.press("ArrowDown")
        raise AssertionError(f"no way by arrows to {part}")

    def save(self, note: str) -> None:
        """By its shortcut."""
        self.page.keyboard.press("Control+s")
        self.page.get_by_label(self.says("designer.note")).wait_for()
        self.page.keyboard.insert_text(note)
        self.page.keyboard.press("Enter")


def at_rest(drawn: Locator) -> FloatRect:
    """Where something is, once it stands still."""
    seen: list[FloatRect | None] = [None]

    def stands() -> bool:
        seen.append(drawn.bounding_box())
        return seen[-1] is not None and seen[-1] == seen[-2]

    eventually(stands, every=0.1)
    assert seen[-1]
    return seen[-1]
