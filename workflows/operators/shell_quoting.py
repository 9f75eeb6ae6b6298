"""Put values into shell text so that each stays one piece of data, wherever in the text it stands.

shlex.quote alone is not enough: `echo "hi {{ name }}"` with the value `$(reboot)` quoted becomes `echo "hi
'$(reboot)'"`, which reboots. So values are first enclosed in marks (by the renderer), and quoted here by the
quotes around them. Where those cannot be known for certain (here-documents, backquotes, nested substitutions,
other languages), only plain values are let in.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

OPEN, CLOSE = "\x02", "\x03"
MARK = re.compile(f"{OPEN}([0-9a-f]*){CLOSE}")
PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]*", re.ASCII)  # means itself in and out of any quotes
SHELLS = frozenset({"sh", "bash", "dash", "ash", "ksh", "zsh"})

# A command substitution without quotes, escapes or nesting: inside, values are bare words; after it,
# nothing has changed.
_SIMPLE = re.compile(rf"\$\((?!\()(?:{MARK.pattern}|\$[A-Za-z0-9_@*?!#-]|<(?!<)|[^()'\"`\\#<${OPEN}\n])*\)")
_BRACED = re.compile(r"\$\{[A-Za-z0-9_]+\}")
_HARD = re.compile(r"`|\$\(|\$\{|\$'|<<|\(\(")
_COMMENT = re.compile(r"(?:(?<=[\s;&|(])|\A)#[^\n]*")


class Unquotable(Exception):
    """A value stands where it cannot be quoted safely; the message says which and what to do."""


def enclose(value: Any) -> str:
    """Mark a value that a template puts into shell text: text as it is, nothing for null, JSON for the "
    "rest."""
    if value is None:
        text = ""
    elif isinstance(value, bool | int | float | list | dict | tuple):
        text = json.dumps(value)
    else:
        text = str(value)  # also what makes an undefined name raise
    return f"{OPEN}{text.encode('utf-8', 'surrogatepass').hex()}{CLOSE}"


def interprets(interpreter: list[str]) -> bool:
    """Whether a command line runs one of the shells whose quoting we know."""
    words = [word.rsplit("/", 1)[-1] for word in " ".join(interpreter).split()]
    if words[:1] == ["env"]:
        words = [word for word in words[1:] if not word.startswith("-") and "=" not in word]
    return bool(words) and words[0] in SHELLS


def quote(text: str, *, shell: bool = True) -> str:
    """Replace every mark by its value, quoted for where it stands. `shell` is False for text in another "
    "language."""
    if OPEN not in text:
        return text
    walker = _Walker(text, certain=shell)
    return walker.walk()


class _Walker:
    """Reads shell text from left to right and knows which quotes it is in."""

    def __init__(self, text: str, *, certain: bool) -> None:
        self.text = text
        self.certain = certain
        self.quotes = ""  # "", "'" or '"'
        self.out: list[str] = []

    def walk(self) -> str:
        at = 0
        while at < len(self.text):
            at = self._step(at)
        return "".join(self.out)

    def _step(self, at: int) -> int:
        mark = MARK.match(self.text, at)
        if mark:
            self.out.append(self._value(mark, self.quotes))
            return mark.end()
        if not self.certain:
            return self._copy(at + 1, at)
        char = self.text[at]
        if self.quotes == "'":
            self.quotes = "" if char == "'" else "'"
            return self._copy(at + 1, at)
        for pattern in (_SIMPLE, _BRACED):
            found = pattern.match(self.text, at)
            if found and not re.search(r"\bcase\b", found[0]):
                self.out.append(MARK.sub(lambda inner: self._value(inner, ""), found[0]))
                return found.end()
        comment = None if self.quotes else _COMMENT.match(self.text, at)
        if comment:
            self.out.append(MARK.sub(self._plain, comment[0]))
            return comment.end()
        # A comment after an operator, the middle of a word after a substitution: which it is, only the shell knows.
        hash_in_doubt = char == "#" and not self.quotes and at > 0 and self.text[at - 1] in ")<>"
        if hash_in_doubt or _HARD.match(self.text, at) or self.text.startswith(f"\\{OPEN}", at):
            self.certain = False
            return self._copy(at + 1, at)
        if char == "\\":
            return self._copy(min(at + 2, len(self.text)), at)
        if char in "'\"" and self.quotes in ("", char):
            self.quotes = "" if self.quotes else char
        return self._copy(at + 1, at)

    def _copy(self, end: int, start: int) -> int:
        self.out.append(self.text[start:end])
        return end

    def _value(self, mark: re.Match[str], quotes: str) -> str:
        if not self.certain:
            return self._plain(mark)
        value = _decoded(mark)
        if quotes == "'":
            return value.replace("'", "'\"'\"'")
        if quotes == '"':
            return re.sub(r'([\\"$`])', r"\\\1", value)
        return shlex.quote(value)

    def _plain(self, mark: re.Match[str]) -> str:
        value = _decoded(mark)
        if PLAIN.fullmatch(value):
            return value
        raise Unquotable(
            f"The value {value[:40]!r} cannot be put safely where it stands in the text "
            "(a here-document, backquotes, a nested substitution, or another language than sh); "
            "hand it over in `env` and use the variable"
        )


def _decoded(mark: re.Match[str]) -> str:
    return bytes.fromhex(mark[1]).decode("utf-8", "surrogatepass")
