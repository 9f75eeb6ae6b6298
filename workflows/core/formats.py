"""A document as text and as data: YAML and JSON read, and written back without loss; the content hash."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import yaml

from workflows.core.errors import InvalidDocument, Problem
from workflows.core.naming import path_of
from workflows.core.plain import MAX_DEPTH
from workflows.core.yaml_reader import UNREADABLE, read_yaml, resolve

Format = Literal["yaml", "json"]
Lines = Mapping[str, tuple[int, int]]
MAX_BYTES = 10_000_000
UNLIMITED = 2**40  # for texts that were accepted before, under limits of their time
MAX_BITS = 1024  # of an integer: what a float can hold, and so any reader of JSON
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")  # PostgreSQL's JSON and UTF-8 cannot hold these
_WIDTH = 1_000_000  # no folding: a long command stays on its line
_DUMPER: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)


@dataclass(frozen=True)
class Loaded:
    """A document that was read: `data` is what could be understood, `problems` what could not."""

    data: Any
    format: Format
    problems: tuple[Problem, ...]
    text: str
    yaml_lines: Lines | None = None

    @cached_property
    def lines(self) -> Lines:
        """Where each path is: (line, column) from 1. JSON is read a second time for it, as YAML."""
        if self.yaml_lines is not None:
            return self.yaml_lines
        return read_yaml(_as_yaml(self.text), MAX_BYTES)[1]


def load(source: str | bytes, *, format: Format | None = None, max_bytes: int = MAX_BYTES) -> Loaded:
    """Read a document; raises InvalidDocument for text that is not one, duplicate keys included."""
    loaded = read(source, format=format, max_bytes=max_bytes)
    if loaded.problems:
        raise InvalidDocument(loaded.problems)
    return loaded


def read(source: str | bytes, *, format: Format | None = None, max_bytes: int = MAX_BYTES) -> Loaded:
    """Read as much of a document as can be read. Never raises for what is in it."""
    size = len(source.encode("utf-8", "surrogatepass")) if isinstance(source, str) else len(source)
    if size > max_bytes:
        message = f"has {size:,} bytes; at most {max_bytes:,} are allowed"
        return Loaded(None, format or "yaml", (_problem("too_large", message),), "")
    text = _decoded(source)
    if isinstance(text, Problem):
        return Loaded(None, format or "yaml", (text,), "")
    chosen = format or guess_format(text)
    if chosen == "json":
        return _read_json(text, max_bytes)
    data, lines, problems = read_yaml(text, max_bytes)
    problems.extend(_placed(unstorable(data), lines))
    return Loaded(data, "yaml", tuple(problems), text, lines)


def guess_format(text: str) -> Format:
    """JSON if the text begins as a JSON object does, else YAML."""
    return "json" if re.match(r'\s*\{\s*["}]', text) else "yaml"


def dump(data: Any, format: Format) -> str:
    """Text that reads back as the same data: keys in their order, and long texts as they were written."""
    if format == "json":
        return json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False) + "\n"
    return str(
        yaml.dump(data, Dumper=_Writer, default_flow_style=False, allow_unicode=True, sort_keys=False, width=_WIDTH)
    )


def canonical(data: Any) -> bytes:
    """The one JSON text of the data whatever the order of its keys."""
    return json.dumps(data, ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def content_hash(data: Any) -> str:
    """ "sha256:" and the digest of the canonical text: equal documents have equal hashes."""
    return "sha256:" + hashlib.sha256(canonical(data)).hexdigest()


def unstorable(data: Any) -> list[Problem]:
    """What in data cannot be stored as JSON: other types, keys that are not text, NaN, NUL, deep nesting."""
    problems = []
    todo: list[tuple[Any, _Link | None, int]] = [(data, None, 0)]
    while todo:
        value, link, depth = todo.pop()
        why = _why_unstorable(value, depth)
        if why:
            problems.append(Problem(code=why[0], path=_path(link), message=why[1]))
        elif isinstance(value, dict):
            todo.extend((item, (link, key), depth + 1) for key, item in value.items())
        elif isinstance(value, (list, tuple)):
            todo.extend((item, (link, index), depth + 1) for index, item in enumerate(value))
    return problems


_Link = tuple[Any, str | int]  # (link of what holds it, key): a path that is written out only if needed


def _path(link: _Link | None) -> str:
    parts: list[str | int] = []
    while link is not None:
        link, part = link
        parts.append(part)
    return path_of(*reversed(parts))


def _why_unstorable(value: Any, depth: int) -> tuple[str, str] | None:
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return ("bad_character", _BAD_TEXT) if _UNSTORABLE.search(value) else None
    if isinstance(value, int):
        return ("out_of_range", "is too large a number") if value.bit_length() > MAX_BITS else None
    if isinstance(value, float):
        return None if math.isfinite(value) else ("not_finite", "must be finite")
    if depth >= MAX_DEPTH:
        return "too_deep", f"is nested deeper than {MAX_DEPTH} levels"
    if isinstance(value, dict):
        return _why_bad_keys(value)
    if isinstance(value, (list, tuple)):
        return None
    return "wrong_type", f"is a {type(value).__name__}, which JSON cannot say"


_BAD_TEXT = "has a NUL or half of a surrogate pair, which cannot be stored"


def _why_bad_keys(value: dict[Any, Any]) -> tuple[str, str] | None:
    for key in value:
        if not isinstance(key, str):
            return "bad_key", f"has the key {key!r}, which is not a text"
        if _UNSTORABLE.search(key):
            return "bad_character", f"has a key that cannot be stored: {key!r}"
    return None


def _problem(code: str, message: str, line: int | None = None, column: int | None = None) -> Problem:
    return Problem(code=code, path="", message=message, line=line, column=column)


def _placed(problems: Iterable[Problem], lines: Lines) -> list[Problem]:
    return [
        Problem(code=p.code, path=p.path, message=p.message, line=at[0], column=at[1])
        for p in problems
        for at in [lines.get(p.path, (1, 1))]
    ]


def _decoded(source: str | bytes) -> str | Problem:
    if isinstance(source, str):
        return source.removeprefix("\ufeff")
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        return _problem("syntax", "is not UTF-8 text", line, error.start - source.rfind(b"\n", 0, error.start))


def _read_json(text: str, max_bytes: int) -> Loaded:
    repeated: list[str] = []

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                repeated.append(key)
            else:
                found[key] = value
        return found

    def not_finite(word: str) -> Any:
        raise ValueError(f"has {word}, which is not JSON")

    try:
        data = json.loads(text, object_pairs_hook=object_of, parse_constant=not_finite)
    except json.JSONDecodeError as error:
        problem = _problem("syntax", f"is not JSON: {error.msg}", error.lineno, error.colno)
        return Loaded(None, "json", (problem,), text)
    except RecursionError:
        problem = _problem("too_deep", f"is nested deeper than {MAX_DEPTH} levels")
        return Loaded(None, "json", (problem,), text)
    except ValueError as error:
        return Loaded(None, "json", (_problem("not_finite", str(error)),), text)
    problems = unstorable(data)
    lines = None
    if repeated or problems:
        lines, problems = _json_places(text, max_bytes, repeated, problems)
    return Loaded(data, "json", tuple(problems), text, lines)


def _json_places(
    text: str, max_bytes: int, repeated: list[str], problems: list[Problem]
) -> tuple[Lines, list[Problem]]:
    """The places of JSON's problems, from reading it as YAML, of which it is nearly a part."""
    _, lines, found = read_yaml(_as_yaml(text), max_bytes)
    duplicates = [p for p in found if p.code in ("duplicate_id", "duplicate_key")]
    if len(duplicates) < len(repeated):  # JSON that is not YAML: say at least which keys
        duplicates = [_problem("duplicate_key", f"the key {key!r} is given twice") for key in repeated]
    return lines, duplicates + _placed(problems, lines)


_JSON_ESCAPE = re.compile(
    r"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|\\u[dD][89a-fA-F][0-9a-fA-F]{2}|\\."
)


def _as_yaml(text: str) -> str:
    """JSON text with the few things that YAML does not read replaced by others of the same length."""
    readable = UNREADABLE.sub("?", text).replace("\t", " ")
    return _JSON_ESCAPE.sub(lambda found: found[0] if len(found[0]) == 2 else "?" * len(found[0]), readable)


class _Writer(_DUMPER):  # type: ignore[misc]
    """Writes block style, texts of many lines as blocks, and quotes what some reader takes for a number."""

    def ignore_aliases(self, data: Any) -> bool:
        """Anchors are never written: each value stands where it belongs."""
        return True

    def text(self, data: str) -> yaml.ScalarNode:
        """A text: as a block when it has lines, in quotes when it would be read as something else."""
        style = "|" if "\n" in data.strip("\n") and not _BLOCK_UNSAFE.search(data) else None
        if style is None and not _reads_as_text(data):
            style = "'"
        if style != "|" and not data.isprintable():
            style = '"'
        node: yaml.ScalarNode = self.represent_scalar("tag:yaml.org,2002:str", data, style=style)
        return node


_BLOCK_SAFE = "\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff"
_BLOCK_UNSAFE = re.compile(f"[^{_BLOCK_SAFE}]")


def _reads_as_text(data: str) -> bool:
    try:
        return isinstance(resolve(data), str)
    except ValueError:
        return False


_Writer.add_representer(str, _Writer.text)
_Writer.add_representer(tuple, lambda writer, data: writer.represent_list(list(data)))
