"""The designer in a browser: drawn by mouse, by keyboard, as text; saved, compared, rebased, kept."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.core.management import call_command

from tests.e2e.conftest import Visits
from tests.e2e.hands import Mouse
from tests.integration.admin.conftest import ALL_VIEWS, person
from tests.support.browser import password_hash
from tests.support.servers import ROOT
from tests.support.waiting import eventually
from workflows.core import formats
from workflows.engine import layouts, publish, templates
from workflows.models import Dag, DagRun, DagVersion

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Locator, Page

SOURCE = """\
# about it
id:  drawn   # kept
config: {tags: [a, b], timeout: 90.0}
tasks:
  first: {type: shell, command: "echo  1"}
  second:
    type: shell
    command: |
      echo {{ tasks.first.output.exit_code }}
    depends_on: [first]
"""


TEMPLATE = """\
template: greet
params:
  who: {type: string}
dag:
  id: greet
  tasks:
    say: {type: shell, command: "echo <% template.who %>"}
"""


def version(number: int, dag: str = "drawn") -> DagVersion:
    return DagVersion.objects.get(dag__dag_id=dag, number=number)


def open_designer(page: Page, dag: str = "drawn") -> None:
    """From the DAG's own page, as people do."""
    base = page.url.partition("/admin/")[0]
    page.goto(f"{base}/admin/workflows/dag/{Dag.objects.get(dag_id=dag).pk}/change/")
    page.get_by_role("link", name="Designer").click()
    page.locator(".graph-node").first.wait_for()


def save(page: Page, note: str) -> None:
    page.keyboard.press("Control+s")
    page.get_by_label("Note").fill(note)
    page.get_by_role("button", name="Save version").click()


def is_valid(page: Page) -> None:
    page.locator('[data-testid="standing"][data-checked="true"]').get_by_text("valid").wait_for()


def test_move_edit_and_save(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    page = visit.log_in("root")
    open_designer(page)
    box = page.locator('[data-task="second"]').bounding_box()
    assert box
    page.mouse.move(box["x"] + 60, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + 120, box["y"] + 140, steps=6)
    page.mouse.up()
    page.get_by_role("button", name="Save layout").click()
    page.get_by_text("The layout is saved.").wait_for()
    assert set(layouts.of(version(1))) == {"first", "second"}

    page.locator('[data-task="first"]').click()
    page.get_by_label("Command", exact=True).fill("echo 2")
    is_valid(page)
    save(page, "says two")
    page.get_by_text("Version 2 is saved").wait_for()
    saved = version(2)
    assert saved.note == "says two"
    assert saved.source == SOURCE.replace('"echo  1"', '"echo 2"')  # comments and forms beside it stay
    assert layouts.of(saved) == layouts.of(version(1))
    page.get_by_role("link", name="To the DAG's page").click()
    page.get_by_role("cell", name="says two").wait_for()


def test_draw_by_keyboard_alone(visits: Visits) -> None:
    visit = visits()
    page = visit.log_in("root")
    page.goto(f"{visit.url}/admin/workflows/dag/designer/")
    page.get_by_role("button", name="Shell").wait_for()
    page.get_by_role("textbox", name="Id", exact=True).fill("by_keys")
    page.locator("h1").first.evaluate("() => document.activeElement.blur()")
    page.keyboard.press("/")
    page.keyboard.type("shell")
    page.keyboard.press("Enter")
    page.get_by_label("Command", exact=True).fill("echo one")
    page.get_by_label("Find a type").focus()
    page.keyboard.press("Shift+Enter")
    page.locator('[data-task="shell_2"]').wait_for()
    page.get_by_label("Command", exact=True).fill("echo two")
    page.get_by_role("textbox", name="Id", exact=True).fill("last")
    page.keyboard.press("Enter")
    page.locator('[data-task="last"]').wait_for()
    page.get_by_label("Find a type").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Command", exact=True).fill("echo three")
    page.get_by_label("Depends on", exact=True).last.fill("last")
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Cut the edge from last").wait_for()
    is_valid(page)
    save(page, "by keys")
    page.get_by_text("Version 1 is saved").wait_for()
    tasks = publish.document_of(version(1, "by_keys"))["tasks"]
    assert {task: fields.get("depends_on") for task, fields in tasks.items()} == {
        "shell": None,
        "last": ["shell"],
        "shell_2": ["last"],
    }


def test_draw_by_mouse_run_and_see_it_end(visits: Visits) -> None:
    visit = visits(workers=1)
    page = visit.log_in("root")
    page.goto(f"{visit.url}/admin/workflows/dag/designer/")
    page.get_by_role("textbox", name="Id", exact=True).fill("by_mouse")
    add_parameter(page, "word", "hello")
    pane = page.locator(".react-flow__pane")
    page.get_by_role("button", name="Shell", exact=True).drag_to(pane, target_position={"x": 150, "y": 200})
    page.get_by_label("Command", exact=True).fill("echo {{ params.word }}")
    drop_in_the_void(page, "shell", 90, 60)
    page.get_by_role("dialog").get_by_label("Find a type").fill("shell")
    page.keyboard.press("Enter")
    page.get_by_label("Command", exact=True).fill("echo two")
    middle = at_rest(page.locator(".react-flow__edge-interaction"))
    canvas = pane.bounding_box()
    assert middle
    assert canvas
    at = {
        "x": middle["x"] + middle["width"] / 2 - canvas["x"],
        "y": middle["y"] + middle["height"] / 2 - canvas["y"],
    }
    page.get_by_role("button", name="Shell", exact=True).drag_to(pane, target_position=at, force=True)
    page.get_by_label("Command", exact=True).fill("echo between")
    is_valid(page)
    save(page, "by mouse")
    page.get_by_text("Version 1 is saved").wait_for()
    tasks = publish.document_of(version(1, "by_mouse"))["tasks"]
    assert {task: fields.get("depends_on") for task, fields in tasks.items()} == {
        "shell": None,
        "shell_2": ["shell_3"],
        "shell_3": ["shell"],
    }
    page.get_by_role("button", name="Run…").click()
    assert page.get_by_role("dialog").get_by_label("word").input_value() == "hello"
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/dagrun/**")
    eventually(lambda: DagRun.objects.get().state == "success", 40)


def at_rest(drawn: Locator) -> FloatRect:
    """Where something is, once it stands still."""
    seen: list[FloatRect | None] = [None]

    def stands() -> bool:
        seen.append(drawn.bounding_box())
        return seen[-1] is not None and seen[-1] == seen[-2]

    eventually(stands, every=0.2)
    assert seen[-1]
    return seen[-1]


def add_parameter(page: Page, name: str, default: str) -> None:
    page.locator("summary", has_text="Parameters").click()
    page.get_by_role("textbox", name="Name of a parameter").fill(name)
    page.keyboard.press("Enter")
    page.locator("summary", has_text=name).click()
    page.get_by_label("Default", exact=True).fill(default)


def drop_in_the_void(page: Page, task: str, right: int, down: int) -> None:
    """Drag a connection out of a task and let it go where nothing is."""
    handle = page.locator(f'[data-task="{task}"] .source').bounding_box()
    assert handle
    page.mouse.move(handle["x"] + 4, handle["y"] + 4)
    page.mouse.down()
    page.mouse.move(handle["x"] + right, handle["y"] + down, steps=6)
    page.mouse.up()


def test_a_new_dag_does_not_fall_on_another(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE.replace("drawn", "my_dag"))
    page = visit.log_in("root")
    page.goto(f"{visit.url}/admin/workflows/dag/designer/")
    page.get_by_role("button", name="Shell", exact=True).click()
    page.get_by_label("Command", exact=True).fill("true")
    is_valid(page)
    save(page, "")
    page.get_by_role("alert").get_by_text("There is a DAG of this id already").wait_for()
    assert DagVersion.objects.count() == 1


def test_problems_are_on_the_nodes_and_undo_takes_them_away(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    page = visit.log_in("root")
    open_designer(page)
    page.locator('[data-task="second"]').click()
    page.get_by_label("Command", exact=True).fill("echo {{ nonsense( }}")
    page.locator('[data-task="second"].is-wrong').wait_for()
    page.locator('[data-task="first"]').click()
    page.get_by_role("button", name="1 problem").click()
    page.get_by_role("dialog", name="Problems").get_by_role("button", name="second").click()
    page.locator('[data-task="second"].is-selected').wait_for()
    page.keyboard.press("Control+s")
    assert page.get_by_role("button", name="Save version").is_disabled()
    page.get_by_role("button", name="Cancel").click()
    page.get_by_role("button", name="Undo").click()
    page.locator('[data-task="second"]:not(.is-wrong)').wait_for()
    is_valid(page)
    page.locator('[data-task="first"]').click()
    page.keyboard.press("Control+c")
    page.get_by_role("button", name="Paste").click()
    page.locator('[data-task="first_2"]').wait_for()
    page.locator('[data-task="first_2"]').click()
    page.keyboard.press("?")
    page.get_by_role("dialog", name="Keys").wait_for()
    page.keyboard.press("Delete")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert page.locator('[data-task="first_2"]').count() == 1, "Delete acted behind a dialog"
    page.locator('[data-task="first_2"]').click()
    page.keyboard.press("Delete")
    page.locator('[data-task="first_2"]').wait_for(state="detached")


def test_list_graph_and_text_are_one_draft(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    page = visit.log_in("root")
    open_designer(page)
    page.get_by_role("button", name="YAML").click()
    text = page.get_by_role("textbox", name="YAML")
    text.wait_for()
    page.wait_for_function("() => document.querySelector('.text-view textarea').value.includes('about it')")
    assert text.input_value() == SOURCE
    more = SOURCE + "  third: {type: shell, command: 'true', depends_on: [second]} # new\n"
    text.fill(more)
    page.locator('[data-testid="standing"]').get_by_text("not saved").wait_for()
    page.get_by_role("button", name="List").click()
    page.get_by_role("button", name="third", exact=True).click()
    page.get_by_role("button", name="Graph").click()
    page.locator('[data-task="third"]').wait_for()
    is_valid(page)
    save(page, "as text")
    page.get_by_text("Version 2 is saved").wait_for()
    assert version(2).source == publish.export(version(2)) == more
    assert version(2).content_hash == formats.content_hash(formats.load(more).data)


def test_a_conflict_is_shown_and_rebased(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    page = visit.log_in("root")
    open_designer(page)
    page.locator('[data-task="first"]').click()
    page.get_by_label("Command", exact=True).fill("echo mine")
    theirs = SOURCE + "  hers: {type: shell, command: 'true'}\n"
    publish.publish(theirs)
    save(page, "mine")
    page.get_by_role("dialog", name="Somebody else saved").get_by_text("hers").wait_for()
    page.get_by_role("button", name="Put my changes on version 2").click()
    page.locator('[data-task="hers"]').wait_for()
    page.get_by_role("button", name="Undo").click()
    page.locator('[data-task="hers"]').wait_for(state="detached")
    is_valid(page)
    save(page, "mine again")
    page.get_by_role("dialog", name="Somebody else saved").get_by_text("hers").wait_for()
    page.get_by_role("button", name="Put my changes on version 2").click()
    page.locator('[data-task="hers"]').wait_for()
    is_valid(page)
    save(page, "both")
    page.get_by_text("Version 3 is saved").wait_for()
    assert version(3).source == theirs.replace('"echo  1"', '"echo mine"')


def test_a_draft_survives_a_reload_and_can_be_discarded(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    page = visit.log_in("root")
    open_designer(page)
    page.locator('[data-task="first"]').click()
    page.get_by_label("Command", exact=True).fill("echo kept")
    page.reload()
    page.get_by_text("Your unsaved draft").wait_for()
    page.locator('[data-task="first"]').click()
    assert page.get_by_label("Command", exact=True).input_value() == "echo kept"
    page.get_by_role("button", name="Discard the draft").click()
    page.locator('[data-task="first"]').click()
    assert page.get_by_label("Command", exact=True).input_value() == "echo  1"


def test_two_pages_of_one_dag_keep_a_draft_each(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    page = visit.log_in("root")
    open_designer(page)
    other = page.context.new_page()
    other.goto(page.url)
    other.locator('[data-task="first"]').wait_for()
    page.locator('[data-task="first"]').click()
    page.get_by_label("Command", exact=True).fill("echo mine")
    drafts = "Object.keys(localStorage).filter((key) => key.includes('draft')).length"
    eventually(lambda: page.evaluate(drafts) == 1)
    third = page.context.new_page()
    page.close()
    other.close()  # unchanged, and later
    third.goto(f"{visit.url}/admin/workflows/dag/{Dag.objects.get().pk}/designer/")
    third.get_by_text("Your unsaved draft").wait_for()


def test_a_text_with_another_comment_is_a_draft_and_no_version(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    page = visit.log_in("root")
    open_designer(page)
    page.get_by_role("button", name="YAML").click()
    text = page.get_by_label("YAML").get_by_role("textbox")
    text.fill(SOURCE.replace("# about it", "# about it, in other words"))
    page.locator('[data-testid="standing"]').get_by_text("not saved").wait_for()
    is_valid(page)
    save(page, "")
    page.get_by_text("Nothing was stored: version 1 says the same").wait_for()
    page.locator('[data-testid="standing"]').get_by_text("not saved").wait_for()
    assert DagVersion.objects.get().source == SOURCE
    page.reload()
    page.get_by_text("Your unsaved draft").wait_for()
    eventually(lambda: "in other words" in text.input_value())
    page.get_by_role("button", name="Discard the draft").click()
    eventually(lambda: text.input_value() == SOURCE)


def test_a_new_dag_begins_with_a_template(visits: Visits) -> None:
    visit = visits()
    templates.save(TEMPLATE)
    page = visit.log_in("root")
    page.goto(f"{visit.url}/admin/workflows/dag/designer/")
    page.get_by_role("button", name="From a template").click()
    page.get_by_label("Template", exact=True).select_option("greet")
    page.get_by_label("Who").fill("Ann")
    page.get_by_role("button", name="Open as a draft").click()
    page.locator('[data-task="say"]').wait_for()
    is_valid(page)
    save(page, "")
    page.get_by_text("Version 1 is saved").wait_for()
    assert DagVersion.objects.get().document["tasks"]["say"]["command"] == "echo Ann"
    assert Dag.objects.get().template is None


def test_the_address_says_what_is_looked_at(visits: Visits) -> None:
    visit = visits()
    page = visit.log_in("root")
    page.goto(f"{visit.url}/admin/workflows/dag/designer/")
    page.get_by_role("button", name="Shell", exact=True).click()
    page.get_by_label("Command", exact=True).fill("true")
    is_valid(page)
    save(page, "")
    page.get_by_text("Version 1 is saved").wait_for()
    page.get_by_role("button", name="List").click()
    assert page.url.endswith("/designer/?dag=my_dag&view=list&task=shell")
    page.reload()
    page.wait_for_url(f"**/{Dag.objects.get().pk}/designer/")
    page.goto(f"{page.url}?view=list&task=shell")
    page.get_by_label("Command", exact=True).wait_for()
    page.get_by_role("button", name="shell", exact=True).wait_for()


def test_versions_are_compared_on_the_graph(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    publish.publish(SOURCE.replace("second:", "other:"))
    page = visit.log_in("root")
    open_designer(page)
    page.get_by_label("Compare with").select_option("1")
    page.locator('[data-task="second"].is-removed').wait_for()
    page.locator('[data-task="other"].is-added').wait_for()
    page.get_by_role("list", name="v1").get_by_text("removed").wait_for()
    page.get_by_role("button", name="Zoom in").click()
    page.wait_for_url("**/designer/?compare=1&at=*")
    place = page.locator(".react-flow__viewport").get_attribute("style")
    page.get_by_role("button", name="List").click()
    page.get_by_role("button", name="Graph").click()
    page.locator('[data-task="second"].is-removed').wait_for()
    assert page.locator(".react-flow__viewport").get_attribute("style") == place
    page.reload()
    page.locator('[data-task="second"].is-removed').wait_for()
    page.get_by_role("button", name="YAML").click()
    difference = page.get_by_role("region", name="What the draft changes in the text of version 1")
    difference.locator(".is-added").get_by_text("other:").wait_for()
    assert visit.barriers(page) == []


@pytest.mark.parametrize(("language", "dark"), [("en", False), ("zh", True)])
def test_nothing_keeps_anybody_out(visits: Visits, language: str, dark: bool) -> None:
    visit = visits(language=language, dark=dark)
    publish.publish(SOURCE)
    page = visit.log_in("root")
    page.goto(f"{visit.url}/admin/workflows/dag/{Dag.objects.get().pk}/designer/")
    page.locator('[data-task="first"]').click()
    page.locator('[data-testid="task-panel"]').wait_for()
    assert visit.barriers(page) == []
    page.get_by_role("button", name="List" if language == "en" else "列表").click()
    assert visit.barriers(page) == []


def test_a_viewer_looks_and_is_offered_nothing_else(visits: Visits) -> None:
    visit = visits()
    publish.publish(SOURCE)
    user = person("viewer", *ALL_VIEWS)
    user.password = password_hash()
    user.save()
    page = visit.log_in("viewer")
    open_designer(page)
    page.locator('[data-task="first"]').click()
    assert page.get_by_label("Command", exact=True).is_disabled()
    assert page.get_by_role("button", name="Save").count() == 0
    assert page.get_by_label("Find a type").count() == 0


def test_what_was_drawn_is_imported_and_exported_byte_for_byte(visits: Visits, tmp_path: Path) -> None:
    """An example by command into the designer, changed and changed back on the graph, and out again by command."""
    visit = visits()
    example = (ROOT / "examples/git_history.yaml").read_bytes()
    file, out = tmp_path / "in.yaml", tmp_path / "out.yaml"
    file.write_bytes(example)
    call_command("dag_import", file, stdout=StringIO())
    page = visit.log_in("root")
    open_designer(page, "git_history")
    hand = Mouse(page, "en")
    hand.add("shell", "added")
    hand.write(hand.field("field.command"), "true")
    hand.saw_valid()
    save(page, "by the graph")
    page.get_by_text("Version 2 is saved").wait_for()
    call_command("dag_export", "git_history", output=out, stdout=StringIO())
    drawn = out.read_bytes()
    assert drawn.decode() == version(2, "git_history").source
    file.write_bytes(drawn)
    call_command("dag_import", file, stdout=StringIO())
    assert DagVersion.objects.count() == 2, "the same content is the same version"
    hand.touch(hand.node("added"))
    page.keyboard.press("Delete")
    hand.saw_valid()
    save(page, "and back")
    page.get_by_text("Version 1 says the same and is current again").wait_for()
    call_command("dag_export", "git_history", output=out, stdout=StringIO())
    assert formats.content_hash(formats.load(out.read_text()).data) == version(1, "git_history").content_hash
    assert out.read_bytes() == example
