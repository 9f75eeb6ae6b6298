"""YAML text to plain data, with the place of every value and every duplicate key.

Built on the event stream, so that depth and alias expansion are bounded while reading and nothing recurses.
Plain scalars follow the YAML 1.2 core schema: `yes`, `on`, 12:30 and 2025-01-31 are texts. So are all keys.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml

from workflows.core.errors import Problem
from workflows.core.naming import below
from workflows.core.plain import MAX_DEPTH

EVENT_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
UNREADABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_TAG = "tag:yaml.org,2002:"
_MAX_DIGITS = 400
MAX_EXPANSION = 500_000  # characters and values that all aliases of a document may stand for
_MERGE = object()  # stands for the key `<<`
_INT = re.compile(r"[-+]?[0-9]+", re.ASCII)
_BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+", re.ASCII)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_TAG_TYPES: dict[str, tuple[type, ...]] = {
    "null": (type(None),),
    "bool": (bool,),
    "int": (int,),
    "float": (int, float),
}


class _Stop(Exception):
    """Reading cannot go on after the problem that was just recorded."""


@dataclass(slots=True)
class _Frame:
    """A mapping or a sequence that is being read."""

    value: Any
    path: str
    anchor: str | None
    weight_before: int
    key: Any = None  # of the mapping entry whose value comes next; None: a key comes next
    drop: bool = False  # the value that comes next belongs to a duplicate key
    height: int = 1
    places: dict[str, int] = field(default_factory=dict)  # line of each key
    merges: list[Any] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Anchor:
    value: Any
    weight: int
    height: int


def read_yaml(text: str, max_weight: int) -> tuple[Any, dict[str, tuple[int, int]], list[Problem]]:
    """The data, the (line, column) of each path, and the problems.

    `max_weight` bounds the characters and values that aliases expand to.
    """
    reader = _Reader(max_weight)
    bad = UNREADABLE.search(text)
    if bad:
        line, column = place_in(text, bad.start())
        reader.problem("bad_character", "", f"has the unreadable character {bad[0]!r}", line, column)
        return None, reader.lines, reader.problems
    try:
        reader.run(yaml.parse(text, Loader=EVENT_LOADER))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        reader.problem("syntax", "", _syntax_message(error), line, column)
        return None, reader.lines, reader.problems
    except yaml.YAMLError as error:
        reader.problem("syntax", "", f"is not YAML: {error}", 1, 1)
        return None, reader.lines, reader.problems
    except _Stop:
        return None, reader.lines, reader.problems
    return reader.root, reader.lines, reader.problems


def place_in(text: str, offset: int) -> tuple[int, int]:
    """Line and column, from 1, of an offset into a text."""
    return text.count("\n", 0, offset) + 1, offset - text.rfind("\n", 0, offset)


def _syntax_message(error: yaml.MarkedYAMLError) -> str:
    parts = [part for part in (error.problem, error.context) if part]
    message = "is not YAML: " + (", ".join(parts) or "cannot be read")
    return message + ("; indent with spaces, not tabs" if "'\\t'" in message else "")


def resolve(text: str) -> Any:
    """The value of a plain scalar by the YAML 1.2 core schema; ValueError for what JSON cannot say."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "+-.0123456789":
        return text
    if len(text) > _MAX_DIGITS and (_INT.fullmatch(text) or _BASED.fullmatch(text)):
        raise ValueError("is too large a number")
    if _INT.fullmatch(text):
        return int(text)
    if _BASED.fullmatch(text):
        return int(text[2:], 8 if text[1] == "o" else 16)
    if _FLOAT.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise ValueError("is too large a number")
        return number
    if _NOT_FINITE.fullmatch(text):
        raise ValueError("must be finite: infinity and not-a-number are refused")
    return text


class _Reader:
    """Builds data from YAML events, with a stack of its own."""

    def __init__(self, max_weight: int) -> None:
        self.root: Any = None
        self.lines: dict[str, tuple[int, int]] = {}
        self.problems: list[Problem] = []
        self.max_weight = max_weight
        self.weight = 0
        self.expanded = 0
        self.stack: list[_Frame] = []
        self.anchors: dict[str, _Anchor] = {}
        self.documents = 0

    def problem(self, code: str, path: str, message: str, line: int, column: int, tasks: tuple[str, ...] = ()) -> None:
        self.problems.append(Problem(code=code, path=path, message=message, line=line, column=column, tasks=tasks))

    def run(self, events: Iterator[Any]) -> None:
        for event in events:
            if isinstance(event, yaml.ScalarEvent):
                self._scalar(event)
            elif isinstance(event, (yaml.MappingStartEvent, yaml.SequenceStartEvent)):
                self._open(event)
            elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
                self._close()
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
            elif isinstance(event, yaml.DocumentStartEvent):
                self.documents += 1
                if self.documents > 1:
                    self._stop("syntax", event, "holds more than one YAML document; give one")

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        text = event.value
        self._weigh(1 + len(text), event)
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and isinstance(frame.value, dict):
            plain = not event.style and event.tag is None
            self._key(frame, text, event, merge=plain and text == "<<")
            return
        path = self._enter(event)
        value = self._value(event, path)
        if event.anchor:
            self.anchors[event.anchor] = _Anchor(value, 1 + len(text), 0)
        self._put(value, 0)

    def _value(self, event: yaml.ScalarEvent, path: str) -> Any:
        tag: str | None = event.tag
        if tag is None or tag == "!":
            if not event.implicit[0] or tag == "!":
                return event.value
        elif not tag.startswith(_TAG) or tag[len(_TAG) :] not in (*_TAG_TYPES, "str"):
            self.problem("unsupported_tag", path, f"has the tag {tag!r}, which is not available", *_mark(event))
            return event.value
        elif tag == _TAG + "str":
            return event.value
        try:
            value = resolve(event.value)
        except ValueError as error:
            self.problem("not_finite", path, str(error), *_mark(event))
            return None
        if tag and not isinstance(value, _TAG_TYPES[tag[len(_TAG) :]]):
            self.problem("wrong_type", path, f"is not a valid {tag[len(_TAG) :]}", *_mark(event))
        return value

    def _key(self, frame: _Frame, text: str, event: Any, *, merge: bool = False) -> None:
        if merge:
            frame.key = _MERGE
            return
        frame.key = text
        path = below(frame.path, text)
        line, column = _mark(event)
        if text not in frame.places:
            frame.places[text] = line
            self.lines[path] = (line, column)
            return
        frame.drop = True
        where = f"{text!r} is given twice: on line {frame.places[text]} and again on line {line}"
        if frame.path == "tasks" and len(self.stack) == 2:
            self.problem("duplicate_id", path, f"the task id {where}", line, column, tasks=(text,))
        else:
            self.problem("duplicate_key", path, f"the key {where}", line, column)

    def _enter(self, event: Any) -> str:
        """The path of the value that begins; records its place unless its key has done so."""
        if not self.stack:
            self.lines[""] = _mark(event)
            return ""
        frame = self.stack[-1]
        if isinstance(frame.value, list):
            path = f"{frame.path}[{len(frame.value)}]"
            self.lines.setdefault(path, _mark(event))
            return path
        return below(frame.path, "<<" if frame.key is _MERGE else str(frame.key))

    def _open(self, event: Any) -> None:
        self._weigh(1, event)
        if len(self.stack) >= MAX_DEPTH:
            self._stop("too_deep", event, f"is nested deeper than {MAX_DEPTH} levels")
        is_map = isinstance(event, yaml.MappingStartEvent)
        if self.stack and self.stack[-1].key is None and isinstance(self.stack[-1].value, dict):
            self._stop("bad_key", event, "has a key that is not a text")
        path = self._enter(event)
        if event.tag not in (None, "!", _TAG + ("map" if is_map else "seq")):
            message = f"has the tag {event.tag!r}, which is not available"
            self.problem("unsupported_tag", path, message, *_mark(event))
        self.stack.append(_Frame({} if is_map else [], path, event.anchor, self.weight - 1))

    def _close(self) -> None:
        frame = self.stack.pop()
        for merged in frame.merges:
            for key, value in merged.items():
                frame.value.setdefault(key, value)
        if frame.anchor:
            weight = self.weight - frame.weight_before
            self.anchors[frame.anchor] = _Anchor(frame.value, weight, frame.height)
        self._put(frame.value, frame.height)

    def _alias(self, event: yaml.AliasEvent) -> None:
        frame = self.stack[-1] if self.stack else None
        if frame is not None and frame.key is None and isinstance(frame.value, dict):
            self._stop("bad_key", event, "has an alias for a key")
        anchor = self.anchors.get(event.anchor or "")
        if anchor is None:
            self._stop("syntax", event, f"has the alias *{event.anchor}, which is not defined before it")
        assert anchor is not None
        if len(self.stack) + anchor.height > MAX_DEPTH:
            self._stop("too_deep", event, f"is nested deeper than {MAX_DEPTH} levels")
        self._weigh(anchor.weight, event)
        self.expanded += anchor.weight
        if self.expanded > MAX_EXPANSION:
            self._stop("too_large", event, f"has aliases that expand to more than {MAX_EXPANSION:,} characters")
        self._enter(event)
        self._put(_copy(anchor.value), anchor.height)

    def _put(self, value: Any, height: int) -> None:
        """Give a finished value to what holds it."""
        if not self.stack:
            self.root = value
            return
        frame = self.stack[-1]
        frame.height = max(frame.height, height + 1)
        if isinstance(frame.value, list):
            frame.value.append(value)
            return
        if frame.key is _MERGE:
            self._merge(frame, value)
        elif not frame.drop:
            frame.value[frame.key] = value
        frame.key, frame.drop = None, False

    def _merge(self, frame: _Frame, value: Any) -> None:
        parts = value if isinstance(value, list) else [value]
        if all(isinstance(part, dict) for part in parts):
            frame.merges.extend(parts)
        else:
            line, column = self.lines.get(frame.path, (1, 1))
            self.problem("wrong_type", frame.path, "merges (<<) something that is not a mapping", line, column)

    def _weigh(self, amount: int, event: Any) -> None:
        self.weight += amount
        if self.weight > self.max_weight:
            self._stop("too_large", event, f"expands to more than {self.max_weight:,} characters")

    def _stop(self, code: str, event: Any, message: str) -> None:
        path = self.stack[-1].path if self.stack else ""
        self.problem(code, path, message, *_mark(event))
        raise _Stop


def _mark(event: Any) -> tuple[int, int]:
    return event.start_mark.line + 1, event.start_mark.column + 1


def _copy(value: Any) -> Any:
    """A copy of plain data, so that two places never share one list."""
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
