from __future__ import annotations

import json
import re
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core import formats, yaml_reader
from workflows.core.errors import InvalidDocument, Problem

TEXT = st.text(st.characters(blacklist_categories=("Cs",), blacklist_characters="\0"), max_size=20)
ODD_TEXT = st.sampled_from(
    ["yes", "1", "0o17", "0x1f", "1e3", ".5", "2025-01-31", "12:30", "null", "~", "", " a", "a ", "<<",
     "=", "-", "a: b", "# c", "a\nb", "a\nb\n", " a\nb", "a\n\n", "\n", "\n\na", "a\tb\nc", "a\r\nb",
     "é\u2028x\ny",
     "\ufeffx",
     "- a", "{a", "[a", "*a", "&a", "!a", "|", ">", "%a", "@a", "`a", "'", '"', "\\", "a #b", "1_000", "true",
     "inf", ".inf", ".nan", "?", "? a", ":", "a:", "\x7f", "\x85", "0" * 500, "---", "...", "a\n---\nb"]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT | ODD_TEXT
DATA = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT | ODD_TEXT, inner, max_size=4),
    max_leaves=12,
)


def problems(source: str | bytes) -> list[Problem]:
    return list(formats.read(source).problems)


def codes(source: str | bytes) -> list[str]:
    return [problem.code for problem in problems(source)]


@given(st.dictionaries(TEXT | ODD_TEXT, DATA, max_size=4))
@settings(max_examples=60)
def test_what_is_written_reads_back_the_same(data: dict[str, Any]) -> None:
    for name in ("yaml", "json"):
        again = formats.load(formats.dump(data, name), format=name)
        assert again.data == data
        assert json.dumps(again.data) == json.dumps(data)  # types and the order of keys, too
    assert formats.content_hash(again.data) == formats.content_hash(data)


@given(st.dictionaries(ODD_TEXT, ODD_TEXT, max_size=4))
@settings(max_examples=50)
def test_the_reader_and_the_writer_written_in_python_agree(data: dict[str, Any]) -> None:
    """Where PyYAML has no libyaml, the same holds."""
    slow = type("Slow", (yaml.SafeDumper,), {"ignore_aliases": formats._Writer.ignore_aliases})
    slow.add_representer(str, formats._Writer.text)
    text = yaml.dump(data, Dumper=slow, allow_unicode=True, sort_keys=False, width=formats._WIDTH)
    before, yaml_reader.EVENT_LOADER = yaml_reader.EVENT_LOADER, yaml.SafeLoader
    try:
        assert formats.load(text, format="yaml").data == data
    finally:
        yaml_reader.EVENT_LOADER = before


@given(DATA)
@settings(max_examples=40)
def test_the_hash_does_not_depend_on_the_order_of_keys(data: Any) -> None:
    assert formats.content_hash(_turned(data)) == formats.content_hash(data)


def _turned(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _turned(data[key]) for key in reversed(data)}
    return [_turned(item) for item in data] if isinstance(data, list) else data


def test_the_hash_depends_on_the_order_of_lists_and_on_values() -> None:
    assert formats.content_hash([1, 2]) != formats.content_hash([2, 1])
    assert formats.content_hash({"a": 1}) != formats.content_hash({"a": "1"})
    assert re.fullmatch(r"sha256:[0-9a-f]{64}", formats.content_hash({}))


@given(st.text(max_size=60) | st.binary(max_size=60))
def test_reading_never_raises(source: str | bytes) -> None:
    formats.read(source)
    formats.read(source, format="json")


def test_yaml_has_the_types_of_json_and_no_surprises() -> None:
    text = "a: [yes, on, n, 2025-01-31, 12:30:45, 1_000, 010, 0o17, 1e3, .5, ~, null, true, True, '1']\n1: x"
    assert formats.load(text).data == {
        "a": ["yes", "on", "n", "2025-01-31", "12:30:45", "1_000", 10, 15, 1000.0, 0.5, None, None, True,
              True, "1"],
        "1": "x",
    }  # fmt: skip


def test_every_duplicate_is_reported_with_both_lines() -> None:
    found = problems("id: x\ntasks:\n  a: {type: shell}\n  b: {type: shell, type: sql}\n  a: {}\n  a: {}\nid: y\n")
    assert [(p.code, p.path, p.line) for p in found] == [
        ("duplicate_key", "tasks.b.type", 4),
        ("duplicate_id", "tasks.a", 5),
        ("duplicate_id", "tasks.a", 6),
        ("duplicate_key", "id", 7),
    ]
    assert "on line 3 and again on line 6" in found[2].message
    assert found[1].tasks == ("a",)


def test_duplicates_in_json_have_places_too() -> None:
    text = '{"id": "\\ud83d\\ude00\\ud800/",\n\t"tasks": {"a": {},\n "a": {}}}'
    found = problems(text)
    assert ("duplicate_id", "tasks.a", 3) in [(p.code, p.path, p.line) for p in found]
    assert formats.read(text).lines["tasks.a"] == (2, 12)


def test_the_first_of_two_values_is_kept() -> None:
    assert formats.read("a: 1\na: 2").data == {"a": 1}
    assert formats.read('{"a": 1, "a": 2}').data == {"a": 1}


def test_places_of_keys_and_items() -> None:
    lines = formats.load("id: x\ntasks:\n  a.b:\n    depends_on:\n      - c\n      - d\n").lines
    assert lines["id"] == (1, 1)
    assert lines['tasks["a.b"]'] == (3, 3)
    assert lines['tasks["a.b"].depends_on[1]'] == (6, 9)


def test_anchors_and_merges_are_resolved_to_separate_copies() -> None:
    data = formats.load("base: &b {p: 1, q: [1]}\na: {<<: *b, p: 2}\nc: *b\n'<<': kept").data
    assert data == {
        "base": {"p": 1, "q": [1]},
        "a": {"p": 2, "q": [1]},
        "c": {"p": 1, "q": [1]},
        "<<": "kept",
    }
    assert data["a"]["q"] is not data["base"]["q"]


LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join(['*' + before] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
NESTED_ALIASES = "- &a []\n" + "".join(
    f"- &{name} {'[' * 40}*{before}{']' * 40}\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (LAUGHS, "too_large"),
        (NESTED_ALIASES, "too_deep"),
        ("[" * 5000, "too_deep"),
        ('{"a":' * 5000, "too_deep"),
        ("a: &x [*x]", "syntax"),
        ("a: *nobody", "syntax"),
        ("a: [", "syntax"),
        ("\ta: 1", "syntax"),
        ("a: 1\n---\nb: 2", "syntax"),
        ('{"a" 1}', "syntax"),
        (b"a: \xff", "syntax"),
        ("[1]: 2", "bad_key"),
        ("? {a: 1}\n: 2", "bad_key"),
        ("a: \x01", "bad_character"),
        ('a: "\\0"', "bad_character"),
        ('{"a": "\\ud800"}', "bad_character"),
        ("a: .inf", "not_finite"),
        ("a: 1e999", "not_finite"),
        ("a: " + "9" * 5000, "not_finite"),
        ('{"a": NaN}', "not_finite"),
        ('{"a": 1e999}', "not_finite"),
        ("a: !!python/object/apply:os.system [id]", "unsupported_tag"),
        ("a: !!timestamp 2025-01-31", "unsupported_tag"),
        ("a: !!int x", "wrong_type"),
    ],
)  # fmt: skip
def test_bad_text_is_a_problem_with_a_code(source: str | bytes, code: str) -> None:
    assert codes(source) == [code]
    with pytest.raises(InvalidDocument):
        formats.load(source)


def test_syntax_errors_have_a_place() -> None:
    (found,) = problems("id: x\ntasks:\n  a: b: c\n")
    assert (found.line, found.column) == (3, 7)
    (found,) = problems('{"id": "x",\n "tasks" 1}')
    assert (found.line, found.column) == (2, 10)


def test_size_is_limited_before_anything_is_read() -> None:
    (found,) = formats.read("a: " + "é" * 100, max_bytes=150).problems
    assert found.code == "too_large"


def test_data_given_as_data_is_held_to_json() -> None:
    deep: Any = "x"
    for _ in range(100):
        deep = [deep]
    found = formats.unstorable({"a": {1: 2}, "b": {3}, "c": float("nan"), "d": ["\0"], "e": 2**2000, "f": deep})
    assert sorted(p.code for p in found) == [
        "bad_character", "bad_key", "not_finite", "out_of_range", "too_deep", "wrong_type",
    ]  # fmt: skip
    assert {p.path for p in found} >= {"a", "b", "c", "d[0]", "e"}


def test_yaml_is_written_for_people() -> None:
    text = formats.dump({"id": "x", "tasks": {"a": {"script": "set -e\nls | wc -l\n", "on": "yes"}}}, "yaml")
    assert text == "id: x\ntasks:\n  a:\n    script: |\n      set -e\n      ls | wc -l\n    'on': 'yes'\n"


def test_format_is_guessed_by_the_first_characters() -> None:
    assert formats.guess_format(' {\n"a": 1}') == "json"
    assert formats.guess_format("{}") == "json"
    assert formats.guess_format("{a: 1}") == "yaml"
