"""Texts and JSON as PostgreSQL takes them."""

from __future__ import annotations

import json
from typing import Any

MESSAGE_MAX = 4_000  # characters of an error message kept with a row; the log has the rest


def storable(message: str) -> str:
    """A message as PostgreSQL takes it: file names that are not UTF-8 reach us as half surrogate pairs."""
    return message[:MESSAGE_MAX].encode("utf-8", "replace").decode().replace("\x00", "�")


def json_text(value: Any) -> str:
    """JSON as PostgreSQL stores it; ValueError or TypeError when it is not JSON."""
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
