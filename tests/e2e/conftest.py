"""Journeys in a real browser against real processes. Without chromium, or without the built front end, they skip."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from tests.support.browser import CHROMIUM, Visit, chromium, password_hash
from workflows.designer import assets

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.support.stack import Stack

Visits = Callable[..., Visit]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark everything here, and say why it cannot run."""
    why = "" if CHROMIUM else "there is no chromium (Debian: apt install chromium)"
    why = why or ("" if assets.entry("designer") else "the front end is not built: make frontend")
    for item in items:
        if "e2e" in item.path.parts:
            item.add_marker(pytest.mark.e2e)
            if why:
                item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One chromium for the module's tests."""
    with chromium() as started:
        yield started


@pytest.fixture
def visits(
    live_stack: Callable[..., Stack], browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., Visit]]:
    """`visits(workers=1, language="en", dark=False)`: a browser on a new stack with the superuser `root`.

    Called again it is another browser on the same stack. At the end no console may have complained.
    """
    from django.contrib.auth.models import User

    # Playwright's loop runs in this thread; Django refuses its database beside a loop unless it is told to.
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
    made: list[Visit] = []
    stacks: list[Stack] = []

    def visit(*, workers: int = 0, language: str = "en", dark: bool = False, height: int = 900) -> Visit:
        if not stacks:
            stacks.append(live_stack(workers=workers, reconciler=workers > 0, web=True))
            User.objects.create(username="root", is_staff=True, is_superuser=True, password=password_hash())
        context = browser.new_context(
            viewport={"width": 1440, "height": height},
            locale="zh-CN" if language == "zh" else "en-GB",
            color_scheme="dark" if dark else "light",
        )
        context.set_default_timeout(15_000)
        made.append(Visit(context=context, url=stacks[0].web_url))
        return made[-1]

    yield visit
    for each in made:
        each.context.close()
    assert [text for each in made for text in each.complaints] == []
