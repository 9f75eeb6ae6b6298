"""A value that is put into a document stays data, whatever it holds and wherever it stands."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from workflows.core import expressions, templating
from workflows.core.errors import RenderError
from workflows.core.insertion import Place, Refused, as_data, inserted, literal
from workflows.operators import shell_quoting

SYNTAX = ["{{", "}}", "{%", "%}", "{", "}", "%", "<%", "%>", "\\", '"', "'", "\n", "\r\n", " ", "-", "~", "|", "#"]
BITS = [
    *SYNTAX,
    "params.secret",
    "{{ params.secret }}",
    "{% if true %}",
    "{% raw %}",
    "{% endraw %}",
    "raw",
    "endif",
    "a",
]
texts = st.lists(st.one_of(st.sampled_from(BITS), st.text(max_size=3)), max_size=6).map("".join)
scalars = st.one_of(
    texts, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False, width=32)
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)),
    max_leaves=6,
)
AUTHORED = ["<% v %>", "<% v %>", "{{ params.x }}", "{{ [<% v %>] | length }}", "{{ params.x ~ <% v %> }}"]
AUTHORED += [
    "{% if <% v %> is defined %}",
    "{% endif %}",
    "{{ {'a': <% v %>}['a'] }}",
    "{",
    "}",
    "%",
    " ",
    "-",
    "a",
    "{ ",
    "\n",
]
authored = st.lists(st.sampled_from(AUTHORED), min_size=1, max_size=6).map("".join)
CONTEXT = {"params": {"x": "X", "secret": "S3CRET"}}


def given_value(value: Any) -> Callable[[str], Any]:
    return lambda code: value


def as_reference(text: str) -> str:
    """The text as somebody would write it who has the value as `v` at run time."""
    out, inside = "", False
    while text:
        if text.startswith("<% v %>"):
            out, text = out + ("v" if inside else "{{ v }}"), text[7:]
            continue
        inside = text.startswith(("{{", "{%")) or (inside and not text.startswith(("}}", "%}")))
        step = 2 if text.startswith(("{{", "{%", "}}", "%}")) else 1
        out, text = out + text[:step], text[step:]
    return out


def outcome(text: str, context: dict[str, Any]) -> Any:
    try:
        return templating.render(text, context)
    except RenderError:
        return RenderError


@example(text="{<% v %>", value="{ params.secret }}")
@example(text="{<% v %>{ params.x }}", value="")
@example(text="{<% v %> params.x %}", value="%")
@example(text="<% v %><% v %>", value="{")
@settings(max_examples=400)
@given(text=authored, value=values)
def test_a_run_finds_the_value_and_nothing_else(text: str, value: Any) -> None:
    try:
        result = inserted(text, Place.RENDERED, given_value(value))
    except Refused:
        return
    if text == "<% v %>":
        assert templating.render(result, CONTEXT) == value
        return
    # A brace that the author wrote before a value is a value, too: the two must make no expression together.
    reference = as_reference(text.replace("{<% v %>", "{{ '{' }}<% v %>"))
    if templating.analyse(reference).problem is None:
        assert str(outcome(result, CONTEXT)) == str(outcome(reference, {**CONTEXT, "v": value}))
    if "S3CRET" not in str(value):
        assert "S3CRET" not in str(outcome(result, CONTEXT))


@given(value=values)
def test_data_is_rendered_to_itself(value: Any) -> None:
    assert templating.render(as_data(value), CONTEXT) == value


@given(value=values)
def test_a_literal_is_its_value(value: Any) -> None:
    text = literal(value)
    assert "{{" not in text
    assert "}}" not in text
    assert "{%" not in text
    assert templating.render("{{ " + text + " }}", {}) == value


@given(value=values)
def test_a_condition_compares_with_the_value(value: Any) -> None:
    result = inserted("params.x == <% v %>", Place.EXPRESSION, given_value(value))
    assert expressions.evaluate(result, {"params": {"x": value}}) is True
    assert expressions.evaluate(result, {"params": {"x": ["another"]}}) is False


def test_values_that_look_like_marks_are_values() -> None:
    found = iter(["value_1x", "params.secret"])
    result = inserted("[<% a %>, <% b %>]", Place.EXPRESSION, lambda code: next(found))
    assert result == '["value_1x", "params.secret"]'


@given(value=texts)
def test_a_value_stays_one_word_of_a_command(value: str) -> None:
    assume("\0" not in value)
    command = inserted("echo <% v %> {{ params.x }}", Place.QUOTED, given_value(value))
    rendered = templating.render(command, CONTEXT, quote=shell_quoting.enclose)
    assert shlex.split(shell_quoting.quote(rendered)) == ["echo", value, "X"]


@pytest.mark.parametrize(
    ("text", "place", "value", "words"),
    [
        ("select <% v %>", Place.CODE, "a; drop table b", "only names and numbers"),
        ("select <% v %>", Place.CODE, "a--b", "only names and numbers"),
        ("select 1 -<% v %>", Place.CODE, -5, "only names and numbers"),
        ("select <% v %>", Place.CODE, "", "only names and numbers"),
        ("<% v %>", Place.STRUCTURE, "a", "same for all values"),
        ("<% v %>", Place.FIELD, [1], "must not be a list"),
        ("<% v %>", Place.FIELD, {"a": 1}, "must not be a list"),
        ("<% v %>", Place.FREE, {"a": 1}, "must not be a list"),
        ("<% v %>", Place.FIELD, "{{ params.x }}", "{{"),
        ("a <% v %>", Place.FIELD, "{{ params.x }}", "{ or }"),
        ("{<% v %>", Place.FIELD, "% x %", "{ or }"),
        ("<% v %>", Place.ITEMS, "tasks.a.output", "list or a mapping"),
        ("{{ params.<% v %> }}", Place.RENDERED, "x", "params[<% template.x %>]"),
        ("{{ '<% v %>' }}", Place.RENDERED, "x", "without quotes"),
        ("{{ x<% v %> }}", Place.RENDERED, "x", "apart from other words"),
        ("{% raw %}<% v %>{% endraw %}", Place.RENDERED, "x", "{% raw %}"),
        ("{<% v %>", Place.QUOTED, "a b", "cannot follow {"),
        ("a }} <% v %> {{ b", Place.EXPRESSION, "x", "one expression"),
        ("<% v", Place.RENDERED, "x", "without %>"),
        ("<% v %>" * 201, Place.FREE, "x", "more than 200"),
    ],
)
def test_what_cannot_be_kept_apart_is_refused(text: str, place: Place, value: Any, words: str) -> None:
    with pytest.raises(Refused) as refusal:
        inserted(text, place, given_value(value))
    assert words in str(refusal.value)


@pytest.mark.parametrize(
    ("text", "place", "value", "result"),
    [
        ("select * from <% v %>", Place.CODE, "shop.orders", "select * from shop.orders"),
        ("limit <% v %>", Place.CODE, -5, "limit -5"),
        ("<% v %>", Place.CODE, 5, "5"),
        ("<% v %>", Place.FIELD, 5, 5),
        ("<% v %>m", Place.FIELD, 5, "5m"),
        ("<% v %>", Place.FREE, ["a"], ["a"]),
        ("On <% v %>", Place.FREE, "{{ x }}", "On {{ x }}"),
        ("<% v %>", Place.RENDERED, {"a": [1, None]}, {"a": [1, None]}),
        ("<% v %>", Place.ITEMS, ["{{ x }}"], ['{{ "\\u007b\\u007b x \\u007d\\u007d" }}']),
        ("tasks.a.output[<% v %>]", Place.ITEMS, "k", 'tasks.a.output["k"]'),
        ("https://x/<% v %>?d={{ params.x }}", Place.RENDERED, "a b", "https://x/a b?d={{ params.x }}"),
        ("echo <% v %>", Place.QUOTED, "data/a.csv", "echo data/a.csv"),
        ("echo <% v %>", Place.QUOTED, None, 'echo {{ "" }}'),
        ("params.n > <% v %>", Place.EXPRESSION, -5, "params.n > (-5)"),
        ("<% v %>", Place.EXPRESSION, True, "true"),
        ("{{ <% v %> in params.x }}", Place.EXPRESSION, "a", '"a" in params.x'),
    ],
)
def test_what_a_value_becomes(text: str, place: Place, value: Any, result: Any) -> None:
    assert inserted(text, place, given_value(value)) == result
