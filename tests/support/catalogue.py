"""The catalogue of translations: what is to be translated, the .po file for people, the .mo file for Django.

`python -m tests.support.catalogue` (`make messages`) brings both files up to date. It needs no gettext: what is to be
translated is read from the syntax trees of our Python files and from the parsed templates.
"""

from __future__ import annotations

import ast
import re
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import django
from django.template import Template
from django.template.base import Node, NodeList
from django.template.engine import Engine
from django.templatetags.i18n import BlockTranslateNode, TranslateNode

ROOT = Path(__file__).resolve().parents[2]
PO = ROOT / "workflows/locale/zh_Hans/LC_MESSAGES/django.po"
PACKAGES = ("workflows", "orchestrator", "api")
TEMPLATES = ("templates", "workflows/templates")
_CALLS = {"_": 1, "gettext": 1, "gettext_lazy": 1, "gettext_noop": 1, "ngettext": 2, "ngettext_lazy": 2}
_HEADER = "Content-Type: text/plain; charset=UTF-8\\nLanguage: zh_Hans\\nPlural-Forms: nplurals=1; plural=0;\\n"


@dataclass(kw_only=True)
class Entry:
    """One message: its text, its plural, where it stands, and what it is called in Chinese."""

    text: str
    plural: str = ""
    places: set[str] = field(default_factory=set)
    translation: str = ""


def found() -> dict[str, Entry]:
    """Every message of ours, by its text."""
    entries: dict[str, Entry] = {}
    for text, plural, place in (*_of_python(), *_of_templates(), *_of_errors()):
        entry = entries.setdefault(text, Entry(text=text))
        entry.plural = entry.plural or plural
        entry.places.add(place)
    return entries


def _of_python() -> Iterator[tuple[str, str, str]]:
    for path in sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (count := _CALLS.get(_name(node.func), 0)):
                texts = [arg.value for arg in node.args[:count] if isinstance(arg, ast.Constant)]
                if len(texts) == count and all(isinstance(text, str) and text for text in texts):
                    yield texts[0], texts[1] if count > 1 else "", str(path.relative_to(ROOT))


def _name(function: ast.expr) -> str:
    return (
        function.id if isinstance(function, ast.Name) else function.attr if isinstance(function, ast.Attribute) else ""
    )


def _of_templates() -> Iterator[tuple[str, str, str]]:
    engine = Engine.get_default()
    for path in sorted(path for folder in TEMPLATES for path in (ROOT / folder).rglob("*.html")):
        template = Template(path.read_text(encoding="utf-8"), engine=engine)
        for node in _nodes(template.nodelist):
            for text, plural in _messages(node):
                yield text, plural, str(path.relative_to(ROOT))


def _nodes(nodes: NodeList) -> Iterator[Node]:
    for node in nodes:
        yield node
        for name in dir(node):
            inner = getattr(node, name, None) if name.startswith("nodelist") else None
            if isinstance(inner, NodeList):
                yield from _nodes(inner)
        for _condition, inner in getattr(node, "conditions_nodelists", ()):
            yield from _nodes(inner)


def _messages(node: Node) -> Iterator[tuple[str, str]]:
    if isinstance(node, TranslateNode):
        literal = getattr(node.filter_expression.var, "literal", node.filter_expression.var)
        if isinstance(literal, str):
            yield literal, ""
    if isinstance(node, BlockTranslateNode):
        singular, _names = node.render_token_list(node.singular)
        plural = node.render_token_list(node.plural)[0] if node.plural else ""
        yield singular, plural


def _of_errors() -> Iterator[tuple[str, str, str]]:
    """The messages of errors are the docstrings of their classes."""
    from workflows.core import errors

    for each in vars(errors).values():
        if isinstance(each, type) and issubclass(each, errors.CeleriacError) and each.__doc__:
            yield errors.text_of(each), "", "workflows/core/errors.py"


def read(path: Path = PO) -> dict[str, Entry]:
    """The entries of the .po file, by their text."""
    entries: dict[str, Entry] = {}
    if not path.exists():
        return entries
    for block in path.read_text(encoding="utf-8").split("\n\n"):
        parts: dict[str, str] = {}
        name = ""
        for line in block.splitlines():
            if match := re.match(r'(msg\w+(?:\[0\])?) "(.*)"$', line):
                name = match[1]
                parts[name] = _unquoted(match[2])
            elif name and (match := re.match(r'"(.*)"$', line)):
                parts[name] += _unquoted(match[1])
        if parts.get("msgid"):
            entries[parts["msgid"]] = Entry(
                text=parts["msgid"],
                plural=parts.get("msgid_plural", ""),
                translation=parts.get("msgstr") or parts.get("msgstr[0]", ""),
            )
    return entries


def written(entries: dict[str, Entry]) -> str:
    """The text of the .po file."""
    blocks = [f'msgid ""\nmsgstr "{_HEADER}"']
    for text in sorted(entries):
        entry = entries[text]
        lines = [f"#: {place}" for place in sorted(entry.places)] + [f'msgid "{_quoted(text)}"']
        if entry.plural:
            lines += [f'msgid_plural "{_quoted(entry.plural)}"', f'msgstr[0] "{_quoted(entry.translation)}"']
        else:
            lines.append(f'msgstr "{_quoted(entry.translation)}"')
        blocks.append("\n".join(lines))
    return "\n\n".join(blocks) + "\n"


def compiled(entries: dict[str, Entry]) -> bytes:
    """The bytes of the .mo file, in GNU gettext's format."""
    pairs = {"": _HEADER.replace("\\n", "\n")}
    for entry in entries.values():
        if entry.translation:
            pairs[f"{entry.text}\0{entry.plural}" if entry.plural else entry.text] = entry.translation
    texts = sorted((text.encode(), translation.encode()) for text, translation in pairs.items())
    table, data, start = [], b"", 28 + 16 * len(texts)
    for side in (0, 1):
        for pair in texts:
            table.append((len(pair[side]), start + len(data)))
            data += pair[side] + b"\0"
    head = struct.pack("<7I", 0x950412DE, 0, len(texts), 28, 28 + 8 * len(texts), 0, start)
    return head + b"".join(struct.pack("<2I", *entry) for entry in table) + data


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _unquoted(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: {"n": "\n"}.get(match[1], match[1]), text)


def main() -> int:
    """Write both files; the exit code tells whether something waits for its translation."""
    django.setup()
    entries, known = found(), read()
    for text, entry in entries.items():
        entry.translation = known[text].translation if text in known else ""
    PO.parent.mkdir(parents=True, exist_ok=True)
    PO.write_text(written(entries), encoding="utf-8")
    PO.with_suffix(".mo").write_bytes(compiled(entries))
    missing = [text for text, entry in entries.items() if not entry.translation]
    print(f"{len(entries)} messages, {len(missing)} without a translation")
    return 1 if missing else 0


if __name__ == "__main__":
    sys.exit(main())
