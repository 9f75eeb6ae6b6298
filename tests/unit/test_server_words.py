"""What the designer shows of our schemas and problems is there in Chinese, too."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from workflows.core.codes import CODES
from workflows.core.schema import document_schema, task_type_schema
from workflows.operators import registry

WORDS = Path(__file__).resolve().parents[2] / "frontend/src/locales/server.zh-hans.json"
# Said elsewhere: sections that have a heading of their own, and fields that only the text view shows.
NOT_SHOWN = ("CallbackSpec", "EmailSpec", "WebhookSpec")
SHORTHANDS = ("The same as", "Of a conditional", "Of a switch")


def shown(schema: dict[str, Any]) -> Iterator[str]:
    """The descriptions of an object's fields, and of those of the objects in it."""
    for field in schema.get("properties", {}).values():
        yield field.get("description", "")
    for inner in schema.get("$defs", {}).values():
        if inner.get("title") not in NOT_SHOWN:
            yield from shown(inner)


def test_each_hint_and_each_problem_has_its_chinese_words() -> None:
    words = json.loads(WORDS.read_text())
    types = registry.types().values()
    texts = {*shown(document_schema()), *(each.description for each in types)}
    texts |= {text for each in types for text in shown(task_type_schema(each.parameters))}
    said = {text for text in texts if text and not text.startswith(SHORTHANDS)}
    assert not said - set(words)
    assert not {f"problem.{code}" for code in CODES} - set(words)


def test_each_task_type_has_its_picture() -> None:
    source = (WORDS.parents[1] / "ui/Icon.tsx").read_text()
    assert not {each.icon for each in registry.types().values() if not re.search(rf'[ "]{each.icon}"?: [A-Z]', source)}
