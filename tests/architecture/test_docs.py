"""The documentation says what is there: links lead somewhere, commands and files exist, documents are valid."""

from __future__ import annotations

import re
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
from django.core.management import get_commands

from workflows.conf import Conf
from workflows.core.states import Reason, TaskState
from workflows.core.validate import Catalogue, Limits, check
from workflows.engine.reconcile import Sweep
from workflows.operators import registry

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "examples").rglob("*.md")],
    key=lambda page: page.as_posix(),
)
LIMITS = Limits(max_tasks=1000, max_edges=1000, max_bytes=1_000_000)
LINK = re.compile(r"(?<!!)\[[^\]]+\]\(([^)\s]+)\)")
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
# Files in code spans that stand for the reader's own or for what a running system writes.
NOT_OURS = re.compile(r"<|\*|…")

each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def prose(page: Path) -> str:
    """A page without its code blocks."""
    return FENCE.sub("", page.read_text())


def anchors(page: Path) -> set[str]:
    """What a link may name behind #, as the usual renderers make it from the headings."""
    headings = re.findall(r"^#+ +(.*)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def dead_links(page: Path) -> list[str]:
    """Relative links of a page that lead to no file, or to no heading of it."""
    dead = []
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        if target.startswith(("http://", "https://")):
            continue
        found = (page.parent / path).resolve() if path else page
        if not found.exists() or (anchor and anchor not in anchors(found)):
            dead.append(target)
    return dead


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    assert dead_links(page) == []


def test_planted_dead_links_are_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One heading\n[a](page.md#one-heading) [b](#no-heading) [c](gone.md) [d](https://example.com)\n")
    assert dead_links(page) == ["#no-heading", "gone.md"]


@each_page
def test_commands_exist(page: Path) -> None:
    text = page.read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    spans = [*CODE.findall(prose(page)), *(block[2] for block in FENCE.findall(text))]
    made = {name for span in spans for name in re.findall(r"(?:^|&& )make ([a-z-]+)", span, re.MULTILINE)}
    managed = {name for span in spans for name in re.findall(r"manage\.py ([a-z_]+)", span)}
    assert made <= targets
    assert managed <= set(get_commands()) | {"drf_create_token"}


@each_page
def test_files_that_are_named_exist(page: Path) -> None:
    folders = "workflows|orchestrator|api|tests|docs|examples|requirements|templates"
    named = {span for span in CODE.findall(prose(page)) if re.fullmatch(rf"(?:{folders})/[\w./-]*", span)}
    assert not {name for name in named if not NOT_OURS.search(name) and not _is_there(name)}


def _is_there(name: str) -> bool:
    # What the benchmark writes is not committed with it.
    return (ROOT / name).exists() or name.startswith(("tests/benchmarks/results", "docs/img"))


@each_page
def test_documents_are_valid(page: Path) -> None:
    catalogue = Catalogue(types=registry.catalogue_types(), pools=None, dags=None)
    for _, language, block in FENCE.findall(page.read_text()):
        if language == "yaml" and block.startswith("id:"):
            assert check(block, catalogue, LIMITS, "yaml").problems == ()


def test_the_readme_shows_a_document_of_twelve_lines() -> None:
    blocks = [block for _, language, block in FENCE.findall((ROOT / "README.md").read_text()) if language == "yaml"]
    assert [len(block.splitlines()) for block in blocks] == [12]


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in seen:
            continue
        seen.add(page)
        targets = (
            page.parent / target.partition("#")[0] for target in LINK.findall(prose(page)) if "://" not in target
        )
        waiting += [found for target in targets if (found := target.resolve()).suffix == ".md"]
    assert not {page.relative_to(ROOT).as_posix() for page in (ROOT / "docs").rglob("*.md")} - {
        page.relative_to(ROOT).as_posix() for page in seen
    }


def test_the_words_of_the_glossary_are_those_of_the_code() -> None:
    rows = re.findall(
        r"^\| (.+?) \| .+? \| (?:`([\w.]+)`)? ?\|$", (ROOT / "docs/glossary.md").read_text(), re.MULTILINE
    )
    words = [word for word, _ in rows if word != "word"]
    assert words == sorted(words, key=str.lower)
    assert len(words) > 30
    for word, place in rows:
        assert not place or _found(place) is not None, word


def _found(place: str) -> object:
    module, parts = place, []
    while True:
        try:
            found: object = import_module(module)
            break
        except ModuleNotFoundError:
            module, _, last = module.rpartition(".")
            parts.insert(0, last)
    for part in parts:
        found = getattr(found, part, None)
    return found


def test_each_repair_and_each_signal_is_described() -> None:
    page = (ROOT / "docs/architecture.md").read_text()
    signals = set(re.findall(r"^@signals\.(\w+)\.connect", (ROOT / "workflows/worker/signals.py").read_text(), re.M))
    assert signals
    assert not {name for name in (*signals, *Sweep.__dataclass_fields__) if f"`{name}`" not in page}


def test_each_state_and_reason_can_be_looked_up() -> None:
    page = (ROOT / "docs/how-to/find-out-why.md").read_text()
    assert not {state for state in TaskState if f"`{state}`" not in page} - {TaskState.SUCCESS}
    assert not {word for word in Reason if word and f"`{word}`" not in page}


def test_settings_that_are_named_exist() -> None:
    known = set(Conf.__dataclass_fields__)
    prefixes = (
        "CANVAS_",
        "LEASE_",
        "LOG_MAX",
        "LOG_CHUNK",
        "OUTPUT_",
        "SHELL_",
        "HTTP_",
        "SQL_",
        "PYTHON_",
        "MAX_LOST",
    )
    for page in PAGES:
        named = {span for span in CODE.findall(prose(page)) if re.fullmatch(r"[A-Z][A-Z_]+", span)}
        assert not {name for name in named if name.startswith(prefixes)} - known, page


def test_each_direct_dependency_has_its_line() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {re.split(r"[^\w.-]", text)[0] for group in groups for text in group}
    page = (ROOT / "docs/decisions/0002-dependencies.md").read_text()
    assert set(re.findall(r"^\| ([\w-]+) \| .* \|$", page, re.MULTILINE)) - {"package"} == names
