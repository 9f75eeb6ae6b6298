"""Put the values of a template's parameters into the texts of a document so that they stay data.

A text holds `<% expressions %>`, which are worked out when a DAG is generated, beside `{{ expressions }}`, which are
left for the run. What a value becomes depends on the place where it stands, as in a shell: a value that a run would
take for an expression, or for a piece of a command, is written as an expression that gives exactly this value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from jinja2 import TemplateSyntaxError

from workflows.core import expressions, plain, templating
from workflows.core.sandbox import SANDBOX

OPEN, CLOSE = "<%", "%>"
_WORD = re.compile(r"[A-Za-z0-9_@+=:,./-]+", re.ASCII)  # means itself in a shell, in and out of quotes
_NAME = re.compile(r"[A-Za-z0-9_]+(?:[.-][A-Za-z0-9_]+)*|-?[0-9]+(?:\.[0-9]+)?", re.ASCII)  # can do nothing in code
_BRACES = re.compile(r"[{}]")
_ALTERED = re.compile(r"[{}\r]|\A\s|\s\Z")  # what a run would read as a template, or would trim
MAX_INSERTS = 200  # in one text

Evaluate = Callable[[str], Any]


class Place(StrEnum):
    """What a run makes of the text at a place in the document."""

    FREE = "free"  # never rendered, for people to read: names, descriptions
    FIELD = "field"  # never rendered, as far as is known
    RENDERED = "rendered"  # parameters of tasks, defaults of parameters
    QUOTED = "quoted"  # rendered, with each value quoted for where it stands: commands
    ITEMS = "items"  # what a task is mapped over: a list, a mapping, or an expression
    EXPRESSION = "expression"  # conditions, written without braces
    CODE = "code"  # never rendered, since it is code: queries, scripts
    STRUCTURE = "structure"  # ids, types, edges: the same whatever the values are


class Refused(Exception):
    """A value cannot stand where a template puts it; the message says why and what to do."""

    def __init__(self, message: str, code: str = "unsafe_place") -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Insert:
    """One `<% expression %>`."""

    code: str


Part = str | Insert


def has_inserts(text: str) -> bool:
    """Whether a text holds something to work out when a DAG is generated."""
    return OPEN in text


def parts_of(text: str) -> tuple[Part, ...]:
    """The text cut at its inserts; raises Refused for one without an end."""
    parts: list[Part] = []
    at = 0
    while (start := text.find(OPEN, at)) >= 0:
        end = text.find(CLOSE, start + len(OPEN))
        if end < 0:
            message = f"has {OPEN} without {CLOSE}; for the characters themselves write <% '<%' %>"
            raise Refused(message, "bad_expression")
        parts += [text[at:start]] if start > at else []
        parts.append(Insert(text[start + len(OPEN) : end].strip()))
        at = end + len(CLOSE)
    if sum(isinstance(part, Insert) for part in parts) > MAX_INSERTS:
        raise Refused(f"has more than {MAX_INSERTS} inserts", "out_of_range")
    return (*parts, text[at:]) if at < len(text) else tuple(parts)


def inserted(text: str, place: Place, evaluate: Evaluate) -> Any:
    """The text with its inserts worked out; a text that is one insert alone may become a number, a list, …

    Raises Refused, and whatever `evaluate` raises.
    """
    parts = parts_of(text)
    if place is Place.STRUCTURE:
        raise Refused(
            "must be the same for all values: the graph, and what is only read as it is written, cannot come from one"
        )
    if place is Place.EXPRESSION:
        return _in_expression(parts, evaluate)
    if len(parts) == 1 and isinstance(parts[0], Insert):
        return _alone(evaluate(parts[0].code), place)
    if place is Place.ITEMS and not templating.is_template("".join(p for p in parts if isinstance(p, str))):
        return _in_expression(parts, evaluate)
    return _within(parts, place, evaluate)


def _alone(value: Any, place: Place) -> Any:
    """A value that is all there is at its place."""
    if place in (Place.CODE, Place.QUOTED):
        return _within((Insert(""),), place, lambda code: value)
    if place in (Place.RENDERED, Place.ITEMS):
        if place is Place.ITEMS and isinstance(value, str):
            raise Refused("must be a list or a mapping: a text would be read as an expression")
        return as_data(value)
    if isinstance(value, dict) or (isinstance(value, list) and place is not Place.FREE):
        raise Refused("must not be a list or a mapping: those can stand in parameters of tasks, foreach and defaults")
    if place is Place.FIELD and templating.is_template(value):
        raise Refused("must not contain {{ or {% here")
    return value


def as_data(value: Any) -> Any:
    """A value that a run renders to exactly itself: texts that look like templates become ones that give them."""
    if isinstance(value, str):
        return expression_of(value) if templating.is_template(value) else value
    if isinstance(value, dict):
        return {key: as_data(item) for key, item in value.items()}
    return [as_data(item) for item in value] if isinstance(value, list) else value


def expression_of(text: str) -> str:
    """The template that renders to a text."""
    return "{{ " + literal(text) + " }}"


def literal(value: Any) -> str:
    """A value as an expression writes it, with braces in texts as codes, so that nobody finds a template in them."""
    if isinstance(value, str):
        quoted = json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
        return quoted.replace("{", "\\u007b").replace("}", "\\u007d").replace("%", "\\u0025")
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    if isinstance(value, dict):  # spaces: two braces side by side would begin or end an expression
        return "{ " + ", ".join(f"{literal(key)}: {literal(item)}" for key, item in value.items()) + " }"
    text = "none" if value is None else json.dumps(value)
    return f"({text})" if text.startswith("-") else text  # or `- -5` and `2 ** -5` would become something else


def _in_expression(parts: tuple[Part, ...], evaluate: Evaluate) -> str:
    """A bare expression with each value as a literal of it."""
    marks = _marks(parts)
    probe = expressions.bare("".join(_marked(parts, marks)))
    if not all(_contexts(expressions.as_template(probe), marks)):
        raise Refused("must be one expression, such as params.rows > 100", "bad_expression")
    values = {mark: literal(evaluate(code)) for mark, code in zip(marks, _codes(parts), strict=True)}
    return re.sub("|".join(marks), lambda found: values[found[0]], probe)  # in one pass: a value may look like a mark


def _within(parts: tuple[Part, ...], place: Place, evaluate: Evaluate) -> str:
    """A text with values in it."""
    rendered = place in (Place.RENDERED, Place.QUOTED, Place.ITEMS)
    if place is Place.FIELD:  # a field that we do not know may be rendered all the same
        rendered = templating.is_template("".join(part for part in parts if isinstance(part, str)))
    marks = _marks(parts)
    contexts = iter(_contexts("".join(_marked(parts, marks)), marks) if rendered else [False] * len(marks))
    out = ""
    for part in parts:
        if isinstance(part, str):
            out += part
        elif next(contexts):
            out += literal(evaluate(part.code))
        else:
            out = _outside(out, evaluate(part.code), place)
    return out


def _outside(before: str, value: Any, place: Place) -> str:
    """The text so far with a value after it."""
    text = "" if value is None and place is Place.QUOTED else plain.text_of(value)
    if place is Place.FREE:
        return before + text
    if place is Place.CODE:
        return before + _in_code(before, text)
    # A brace before the value could become the beginning of an expression together with it.
    opens = before.endswith("{") and (not text or text[0] in "{%")
    if place is Place.FIELD:
        if opens or _BRACES.search(text):
            raise Refused("the value must not contain { or } here")
        return before + text
    if not opens and (_WORD.fullmatch(text) if place is Place.QUOTED else not _ALTERED.search(text)):
        return before + text
    if before.endswith("{"):
        if place is Place.QUOTED:
            raise Refused("a value cannot follow { in a command: put a space between them, or use env")
        before, text = before[:-1], "{" + text
    return before + expression_of(text)


def _in_code(before: str, text: str) -> str:
    if not _NAME.fullmatch(text) or (before.endswith("-") and text.startswith("-")):
        raise Refused(
            "only names and numbers (letters, digits, _ and single . or -) can be put into code; "
            "hand other values over: bind for sql, kwargs for python, env for shell"
        )
    return text


def _marks(parts: tuple[Part, ...]) -> list[str]:
    """A word for each insert that occurs nowhere in the text."""
    text = "".join(part if isinstance(part, str) else " " for part in parts)
    stem = "value_"
    while stem in text:
        stem += "_"
    return [f"{stem}{at}x" for at in range(len(_codes(parts)))]


def _codes(parts: tuple[Part, ...]) -> list[str]:
    return [part.code for part in parts if isinstance(part, Insert)]


def _marked(parts: tuple[Part, ...], marks: list[str]) -> list[str]:
    left = iter(marks)
    return [part if isinstance(part, str) else next(left) for part in parts]


def _contexts(probe: str, marks: list[str]) -> list[bool]:
    """For each mark in a template, whether it stands inside an expression; raises Refused where it cannot stand."""
    inside: dict[str, bool] = {}
    before, raw = "", False
    try:
        for _, kind, text in SANDBOX.lex(probe):
            raw = kind == "raw_begin" or (raw and kind != "raw_end")
            _look(kind, text, before, marks, inside, raw=raw)
            before = before if kind == "whitespace" else text
    except TemplateSyntaxError as error:
        raise Refused(templating.plainer(error.message or "cannot be read"), "bad_expression") from error
    if len(inside) < len(marks):
        raise Refused("cannot be read", "bad_expression")
    return [inside[mark] for mark in marks]


def _look(kind: str, text: str, before: str, marks: list[str], inside: dict[str, bool], *, raw: bool) -> None:
    """Note which marks a piece of a template holds."""
    if kind == "name" and text in marks:
        if before == ".":
            raise Refused("a value cannot be a name after a dot: write params[<% template.x %>]")
        inside[text] = True
        return
    found = [mark for mark in marks if mark in text]
    if not found:
        return
    if kind != "data":
        raise Refused("inside an expression a value stands for itself: write it without quotes, apart from other words")
    if raw:
        raise Refused("a value cannot stand between {% raw %} and {% endraw %}")
    inside.update(dict.fromkeys(found, False))
