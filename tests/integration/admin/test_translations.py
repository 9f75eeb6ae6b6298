"""English and Simplified Chinese are complete, and the committed catalogue is the one that belongs to the code."""

from __future__ import annotations

import re
import string
from collections import Counter

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from tests.integration.admin.conftest import Story
from tests.support import catalogue
from tests.support.servers import ROOT
from workflows.admin import show
from workflows.core.errors import BadPool, UnknownRun
from workflows.core.states import Reason, TaskState
from workflows.engine import phrases
from workflows.engine.explain import explain_run, explain_task
from workflows.models import words


@pytest.fixture(scope="module")
def entries() -> dict[str, catalogue.Entry]:
    """The messages of the code, with what the .po file calls them."""
    found, known = catalogue.found(), catalogue.read()
    for text, entry in found.items():
        entry.translation = known[text].translation if text in known else ""
    return found


def test_every_message_of_ours_has_a_translation(entries: dict[str, catalogue.Entry]) -> None:
    assert [text for text, entry in entries.items() if not entry.translation] == [], (
        "run `make messages`, then translate"
    )


def test_the_files_are_those_of_the_code(entries: dict[str, catalogue.Entry]) -> None:
    assert catalogue.PO.read_text(encoding="utf-8") == catalogue.written(entries), "run `make messages`"
    assert catalogue.PO.with_suffix(".mo").read_bytes() == catalogue.compiled(entries), "run `make messages`"


def test_translations_fill_in_what_the_messages_fill_in(entries: dict[str, catalogue.Entry]) -> None:
    given = {text: holes(text) | holes(entry.plural) for text, entry in entries.items()}
    assert {text for text, entry in entries.items() if holes(entry.translation) != given[text]} == set()


def holes(text: str) -> set[str]:
    """The names and signs in a text that are filled in."""
    named = set(re.findall(r"%(?:\(\w+\))?[\d.]*[sd]", text))
    try:
        return named | {str(name) for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError:
        return named


def test_the_catalogue_goes_into_the_wheel() -> None:
    assert 'packages = ["orchestrator", "workflows", "api"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert catalogue.PO.is_relative_to(ROOT / "workflows")


def test_every_stored_word_has_a_name() -> None:
    stored = {state.value for state in TaskState} | {reason.value for reason in Reason if reason.value}
    assert stored - set(words.WORDS) == set()


def test_the_engines_sentences_are_told_in_chinese(story: Story) -> None:
    explained = [explain_run(story.run.pk)]
    explained += [explain_task(story.run.pk, name) for name in ("fetch", "clean", "load")]
    sentences = {gate.says for each in explained for gate in each.gates if gate.verdict != "not_reached"}
    with translation.override("zh-hans"):
        assert [sentence for sentence in sentences if phrases.said(sentence) == sentence] == []
        assert phrases.said("it was never written down") == "it was never written down"
        assert phrases.said("it waits for run 7 of sales, which is running") == "等待 sales 的运行 7，目前运行中"
    with translation.override("en"):
        assert {phrases.said(sentence) for sentence in sentences} == sentences


def test_every_code_of_a_problem_is_explained() -> None:
    page = (ROOT / "docs/reference/document.md").read_text(encoding="utf-8")
    codes = re.findall(r"^\| `(\w+)` \|", page[page.index("| code | |") :], re.MULTILINE)
    assert set(codes) == set(phrases.PROBLEMS)
    with translation.override("zh-hans"):
        assert phrases.problem("cycle") == "任务之间存在循环依赖。"
    with translation.override("en"):
        assert phrases.problem("cycle") == ""


def test_errors_and_durations_are_told_in_chinese() -> None:
    with translation.override("zh-hans"):
        assert phrases.error(UnknownRun(run_id=7)) == "没有运行 7。"
        assert phrases.error(BadPool(name="x", why="no")) == "资源池 'x' 的设置无效：no"
        assert [show.seconds(each) for each in (4.0, 75, 7300, 200_000)] == [
            "4.0 秒",
            "1 分 15 秒",
            "2 小时 01 分",
            "2 天 7 小时",
        ]


def test_a_browser_that_asks_for_chinese_gets_it(root: Client, story: Story) -> None:
    pages = [reverse("admin:index"), reverse("admin:workflows_dag_changelist")]
    pages.append(reverse("admin:workflows_dagrun_change", args=[story.run.pk]))
    for page in pages:
        text = root.get(page, headers={"accept-language": "zh-CN,zh;q=0.9,en;q=0.5"}).content.decode()
        assert '<html lang="zh-hans"' in text
        assert "工作流" in text
        assert Counter(re.findall(r">(?:Run now|Last runs|Workflows|DAG runs|Log out)<", text)) == Counter()
