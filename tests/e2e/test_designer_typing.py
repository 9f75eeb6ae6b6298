"""What is typed in the designer, as text and in forms, stays as it was typed."""

from __future__ import annotations

from tests.e2e.conftest import Visits
from tests.e2e.test_designer import SOURCE, open_designer
from workflows.engine import publish


def test_numbers_are_typed_as_they_are_written(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    page = visit.log_in("root")
    open_designer(page)
    page.locator('[data-task="first"]').click()
    page.get_by_text("When and where").click()
    priority = page.get_by_label("Priority", exact=True)
    priority.press_sequentially("1.5")
    assert priority.input_value() == "1.5"
    priority.press("Tab")
    assert priority.input_value() == "1.5"


def test_text_that_cannot_be_read_is_written_over_by_nothing(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    page = visit.log_in("root")
    open_designer(page)
    page.get_by_role("button", name="YAML").click()
    text = page.get_by_role("textbox", name="YAML")
    text.wait_for()
    page.wait_for_function("() => document.querySelector('.text-view textarea').value.includes('about it')")
    broken = SOURCE + "  third: {type: [\n"
    text.fill(broken)
    page.keyboard.press("Control+s")
    page.get_by_text("The text cannot be read.").first.wait_for()
    assert page.get_by_role("dialog").count() == 0, "saved what is not on the screen"
    page.locator(".text-problems").wait_for()
    for name in ("Arrange", "Graph"):
        page.get_by_role("button", name=name).click()
    assert page.get_by_label("Description", exact=True).is_disabled()
    assert text.input_value() == broken
    page.wait_for_function("() => Object.values(localStorage).some((each) => each.includes('third: {type: ['))")
    page.reload()
    page.locator(".text-problems").wait_for()
    assert text.input_value() == broken
    page.get_by_role("button", name="Undo").click()
    page.wait_for_function("() => !document.querySelector('.text-view textarea').value.includes('third')")
    assert text.input_value() == SOURCE
    page.get_by_role("button", name="Graph").click()
    page.locator('[data-task="second"]').wait_for()
