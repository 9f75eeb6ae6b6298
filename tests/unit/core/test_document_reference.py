"""The reference page and the code say the same."""

from __future__ import annotations

import re
from pathlib import Path

from tests.unit.core.documents import CATALOGUE
from workflows.core import formats, sandbox, spec
from workflows.core.codes import CODES
from workflows.core.filters import FILTERS
from workflows.core.joins import TriggerRule
from workflows.core.task_reader import SHORTHANDS
from workflows.core.validate import Limits, check

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/reference/document.md").read_text()
CORE = "".join(path.read_text() for path in (ROOT / "workflows/core").glob("*.py") if path.name != "codes.py")


def words(text: str) -> set[str]:
    return set(re.findall(r"[\w.-]+", text))


def test_the_table_of_codes_is_complete() -> None:
    assert dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.split("## Problems")[1], re.M)) == CODES


def test_every_code_is_used() -> None:
    assert [code for code in CODES if f'"{code}"' not in CORE] == []


def test_every_code_in_use_has_a_meaning() -> None:
    used = set(re.findall(r'(?:code=|problem\(\s*|CustomError\(\s*)"([a-z_]+)"', CORE))
    assert used - set(CODES) == set()


def test_every_field_rule_filter_and_method_is_named() -> None:
    models = (spec.DagHeader, spec.TaskSpec, spec.RetrySpec, spec.ResourcesSpec)
    models += (spec.ParamSpec, spec.ScheduleSpec, spec.ConfigSpec)
    models += (spec.CallbackSpec, spec.WebhookSpec, spec.EmailSpec)
    names = {name for model in models for name in model.model_fields} | set(SHORTHANDS) | set(TriggerRule)
    methods = {method for group in sandbox._METHODS.values() for method in group}
    assert (names | set(FILTERS) | methods | sandbox._MOMENT) - words(PAGE) == set()


def test_the_example_is_valid() -> None:
    (text,) = re.findall(r"```yaml\n(id: .*?)```", PAGE, re.S)
    assert check(formats.load(text).data, CATALOGUE, Limits()).problems == ()
