"""Read SQL text: find its :names and statements, but not what looks like them in quotes and comments."""

from __future__ import annotations

import re
from collections.abc import Callable

from workflows.operators.sql.parameters import IDENTIFIER

# In this order: what must be stepped over first. PostgreSQL's E'' strings know backslashes; others do not.
_TOKEN = re.compile(
    r"""
      (?P<comment>--[^\n]*)
    | (?P<block>/\*)
    | (?P<escaped>(?<![A-Za-z0-9_$])[eE]'(?:[^'\\]|''|\\.)*(?:'|\Z))
    | (?P<string>'(?:[^']|'')*(?:'|\Z))
    | (?P<name>"(?:[^"]|"")*(?:"|\Z))
    | (?P<dollar>(?<![A-Za-z0-9_$])\$(?P<tag>[A-Za-z_][A-Za-z0-9_]*)?\$)
    | (?P<cast>::|:=)
    | (?P<bind>(?<![A-Za-z0-9_$:\]]):(?P<key>[A-Za-z_][A-Za-z0-9_]*))
    | (?P<end>;)
    | (?P<percent>%)
    """,
    re.VERBOSE | re.DOTALL,
)


class BadStatement(ValueError):
    """The text is not what it should be; the message says why."""


def rewrite(text: str, bind: Callable[[str], str], *, percent: str = "%") -> tuple[str, list[str]]:
    """The one statement in `text`, with each :name replaced by `bind(name)`; and those names.

    `percent` replaces every % wherever it stands, for drivers to which it means something.
    """
    out: list[str] = []
    names: list[str] = []
    at = 0
    ended = False
    while at < len(text):
        token = _TOKEN.search(text, at)
        gap = text[at : token.start() if token else len(text)]
        ended = _after_end(gap, ended)
        out.append(gap)
        if token is None:
            break
        stop = _stop(text, token)
        piece = text[token.start() : stop]
        if token["bind"]:
            names.append(token["key"])
            piece = bind(token["key"])
        elif token["end"]:
            ended, piece = True, " "
        elif not (token["comment"] or token["block"]):
            ended = _after_end(piece, ended)
        out.append(piece.replace("%", percent) if not token["bind"] else piece)
        at = stop
    statement = "".join(out).strip()
    if not statement:
        raise BadStatement("the query is empty")
    return statement, names


def _after_end(text: str, ended: bool) -> bool:
    if ended and text.strip():
        raise BadStatement("a query is one statement; use script for several")
    return ended


def _stop(text: str, token: re.Match[str]) -> int:
    """Where a token ends; block comments nest, and dollar quotes run to their tag."""
    if token["dollar"]:
        end = text.find(token["dollar"], token.end())
        return len(text) if end < 0 else end + len(token["dollar"])
    if not token["block"]:
        return token.end()
    depth, at = 1, token.end()
    while depth and at < len(text):
        edge = re.compile(r"/\*|\*/").search(text, at)
        if edge is None:
            return len(text)
        depth += 1 if edge[0] == "/*" else -1
        at = edge.end()
    return at


def check_names(names: list[str], given: dict[str, object]) -> None:
    """Complain of a :name without a value, and of a value without a :name."""
    missing = sorted(set(names) - set(given))
    if missing:
        raise BadStatement(f"bind has no value for {', '.join(':' + name for name in missing)}")
    spare = sorted(set(given) - set(names))
    if spare:
        raise BadStatement(f"the query does not use {', '.join(':' + name for name in spare)}")


def quoted_table(name: str) -> str:
    """A table's name, quoted part by part; refuses what is not table or schema.table."""
    parts = name.split(".")
    if len(parts) > 2 or not all(re.fullmatch(IDENTIFIER, part) for part in parts):
        raise BadStatement(f"{name!r} is not a table or schema.table")
    return ".".join(quoted(part) for part in parts)


def quoted(identifier: str) -> str:
    """An identifier in double quotes."""
    if not re.fullmatch(IDENTIFIER, identifier):
        raise BadStatement(f"{identifier!r} is not an identifier")
    return f'"{identifier}"'
