"""How problems write names and places: paths into a document, and the name that was probably meant."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable
from typing import Any

_PLAIN_KEY = re.compile(r"[^.\[\]\s\"]+")
_LAST = re.compile(r'(?:^|\.)[^.\[\]"]+$|\[(?:\d+|"(?:[^"\\]|\\.)*")\]$')
_MAX_CHOICES = 20_000  # comparing with more names than this is not worth the time


def below(path: str, part: str | int) -> str:
    """The path of a key or an index under a path: tasks.clean, depends_on[2], env["a.b"]."""
    if isinstance(part, int):
        return f"{path}[{part}]"
    if not _PLAIN_KEY.fullmatch(part):
        return f"{path}[{json.dumps(part, ensure_ascii=False)}]"
    return f"{path}.{part}" if path else part


def path_of(*parts: str | int) -> str:
    """The path of several keys and indexes under the document."""
    path = ""
    for part in parts:
        path = below(path, part)
    return path


def above(path: str) -> str:
    """The path one step up; "" above a top-level key."""
    shorter = _LAST.sub("", path)
    return shorter if shorter != path else ""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """ "; did you mean 'fetch'?" or nothing."""
    known = list(choices)
    if len(known) > _MAX_CHOICES or len(word) > 200:
        return ""
    close = difflib.get_close_matches(word, known, n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def describe(value: Any) -> str:
    """A value in a message: its kind, with the value itself if it is a text or a number."""
    if value is None:
        return "null"
    kinds = (("text", str), ("a truth value", bool), ("a number", (int, float)), ("a list", (list, tuple)))
    kind = next((word for word, types in kinds if isinstance(value, types)), "a mapping")
    return f"{kind} ({shown(value)})" if isinstance(value, (str, int, float)) else kind


def shown(value: Any) -> str:
    """A value as it would be written, cut when it is long."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 60 else text[:59] + "…"


class Suggestions:
    """What was probably meant among many names; for the first mistakes only, since comparing is slow."""

    def __init__(self, choices: Iterable[str], *, budget: int = 20) -> None:
        self.choices = list(choices)
        self.budget = budget

    def hint(self, word: str) -> str:
        """ "; did you mean 'fetch'?" or nothing."""
        self.budget -= 1
        return did_you_mean(word, self.choices) if self.budget >= 0 else ""
