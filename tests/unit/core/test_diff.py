"""What changed between two documents, as structure and as text."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from workflows.core import diff, formats

OLD: dict[str, Any] = {
    "id": "sales",
    "name": "Sales",
    "defaults": {"timeout": "10m"},
    "tasks": {
        "fetch": {"type": "shell", "command": "fetch", "retry": {"max_attempts": 2}},
        "clean": {"type": "shell", "command": "clean", "depends_on": ["fetch"]},
    },
}


def changed(**fields: Any) -> dict[str, Any]:
    return copy.deepcopy(OLD) | fields


def test_nothing_changed() -> None:
    found = diff.compare(OLD, copy.deepcopy(OLD))
    assert found.same
    assert (found.text, found.summary) == ("", "no change")


def test_the_order_of_keys_is_no_change() -> None:
    assert diff.compare(OLD, dict(reversed(OLD.items()))).same


def test_tasks_added_removed_and_changed() -> None:
    new = changed(tasks={**OLD["tasks"], "load": {"type": "shell", "command": "load", "depends_on": ["clean"]}})
    new["tasks"]["fetch"] = {**OLD["tasks"]["fetch"], "retry": {"max_attempts": 5}}
    del new["tasks"]["clean"]
    found = diff.compare(OLD, new)
    assert (found.added, found.removed) == (("load",), ("clean",))
    (task,) = found.changed
    assert [(task.id, c.path, c.old, c.new) for c in task.changes] == [("fetch", "retry.max_attempts", 2, 5)]
    assert found.summary == "1 task added, 1 removed, 1 changed"
    assert "-      max_attempts: 2\n" in found.text
    assert "+      max_attempts: 5\n" in found.text


def test_a_default_is_seen_in_the_tasks_that_it_changes() -> None:
    found = diff.compare(OLD, changed(defaults={"timeout": "20m"}))
    assert [(t.id, [c.path for c in t.changes]) for t in found.changed] == [
        ("fetch", ["timeout"]),
        ("clean", ["timeout"]),
    ]
    assert found.settings == ()


def test_another_way_to_write_the_same_is_a_change_of_the_text_only() -> None:
    found = diff.compare(OLD, changed(defaults={"timeout": "600s"}))
    assert (found.changed, found.settings) == ((), ())
    assert found.summary == "changed in its text only"


def test_settings() -> None:
    found = diff.compare(OLD, changed(name="More sales", config={"tags": ["x"]}))
    assert [(c.path, c.old, c.new) for c in found.settings] == [
        ("name", "Sales", "More sales"),
        ("config", None, {"tags": ["x"]}),
    ]
    assert found.summary == "settings changed"


def test_true_is_not_one() -> None:
    one, true = changed(params={"a": {"default": 1}}), changed(params={"a": {"default": True}})
    assert [c.path for c in diff.compare(one, true).settings] == ["params.a.default"]


def test_the_first_version_is_all_new() -> None:
    found = diff.compare(None, OLD, names=("nothing", "v1"))
    assert found.added == ("fetch", "clean")
    assert found.text.startswith("--- nothing\n+++ v1\n")


def test_documents_with_problems_are_compared_all_the_same() -> None:
    new = changed(tasks={**OLD["tasks"], "odd": {"type": "shell", "timeout": "never"}})
    assert diff.compare(OLD, new).added == ("odd",)
    assert diff.compare(OLD, {"nothing": "at all"}).removed == ("fetch", "clean")


@pytest.mark.parametrize("count", [10, diff.MAX_LINES])
def test_texts_that_differ_too_much_are_not_compared(count: int) -> None:
    tasks = {f"t{i}": {"type": "shell", "command": f"echo {i}"} for i in range(count)}
    found = diff.compare(OLD, changed(tasks=tasks))
    assert len(found.added) == count
    assert found.too_long == (count > 10)
    assert not found.same


def test_the_text_is_the_document() -> None:
    assert formats.load(diff.canonical_text(OLD)).data == OLD
