"""docs/reference/commands.md names every command, option and promise that there is, and no other."""

from __future__ import annotations

import re

from django.core.management import load_command_class

from tests.support.servers import ROOT
from workflows.engine.invariants import RECOUNTED
from workflows.engine.promises import INVARIANTS

PAGE = (ROOT / "docs/reference/commands.md").read_text(encoding="utf-8")
COMMANDS = sorted(path.stem for path in (ROOT / "workflows/management/commands").glob("[a-z]*.py"))
COMMON = {"--help", "--settings", "--pythonpath", "--traceback", "--no-color", "--force-color", "--skip-checks"}


def test_every_command_is_described() -> None:
    families = "approval|backfill|callback|dag|pool|role|run|schedule|template"
    described = set(re.findall(rf"`((?:{families})_[a-z]+|approve|reconcile|doctor|prune|check_invariants)\b", PAGE))
    assert described == set(COMMANDS)


def test_every_option_is_described() -> None:
    options: set[str] = set()
    for name in COMMANDS:
        parser = load_command_class("workflows", name).create_parser("manage.py", name)
        options |= {option for action in parser._actions for option in action.option_strings if option[:2] == "--"}
    assert {option for option in options - COMMON - {"--verbosity"} if f"{option}" not in PAGE} == set()


def test_every_promise_is_listed_in_its_words() -> None:
    rows = dict(re.findall(r"^\| ([IO]\d+\w?)(?: †)? \| (.+) \|$", PAGE, re.MULTILINE))
    promises = {each.id: each.title for each in (*INVARIANTS, *RECOUNTED)}
    assert set(rows) == set(promises)
    assert {name: rows[name] for name in rows if not rows[name].startswith(promises[name])} == {}
