"""What changed between two documents of a DAG: tasks added, removed and changed, and the text of both side by side."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from workflows.core import formats
from workflows.core.naming import below
from workflows.core.parse import TOP_FIELDS, parse
from workflows.core.spec import DagSpec

MAX_LINES = 5_000  # that differ, of one document: beyond it comparing texts takes too long for a request
MAX_TEXT = 1_000_000  # characters of a text that is shown
_APART = frozenset(("tasks", "dependencies", "defaults"))  # they are seen in the tasks


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field with another value. None stands for none, too."""

    path: str
    old: Any
    new: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChange:
    """A task that both documents have, with the fields that differ once defaults and shorthands are worked out."""

    id: str
    changes: tuple[FieldChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What changed. `text` is a unified diff of both documents, each written with its keys in the same order.

    `text` is empty where nothing differs, and where too much does (`too_long`).
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[TaskChange, ...] = ()
    settings: tuple[FieldChange, ...] = ()
    text: str = ""
    too_long: bool = False

    @property
    def same(self) -> bool:
        """Whether nothing changed."""
        return not (self.added or self.removed or self.changed or self.settings or self.text or self.too_long)

    @property
    def summary(self) -> str:
        """`2 tasks added, 1 changed, settings changed`, or `no change`."""
        counts = [(len(self.added), "added"), (len(self.removed), "removed"), (len(self.changed), "changed")]
        parts = [f"{count} {word}" for count, word in counts if count]
        if parts:
            first = int(parts[0].split()[0])
            parts[0] = parts[0].replace(" ", f" task{'' if first == 1 else 's'} ", 1)
        parts += ["settings changed"] if self.settings else []
        return ", ".join(parts) or ("no change" if self.same else "changed in its text only")


def compare(
    old: Mapping[str, Any] | None, new: Mapping[str, Any], *, names: tuple[str, str] = ("old", "new")
) -> Difference:
    """What changed from one document to another; None is no document yet. Both may have problems."""
    before, after = _tasks(old or {}), _tasks(new)
    text, too_long = _text(old, new, names)
    return Difference(
        added=tuple(task for task in after if task not in before),
        removed=tuple(task for task in before if task not in after),
        changed=tuple(_changed_tasks(before, after)),
        settings=tuple(_changes(_settings(old), _settings(new))) if old is not None else (),
        text=text,
        too_long=too_long,
    )


def _tasks(document: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    spec: DagSpec | None = parse(document).draft if document else None
    return {} if spec is None else {name: task.model_dump(mode="json") for name, task in spec.tasks.items()}


def _settings(document: Mapping[str, Any] | None) -> dict[str, Any]:
    return {key: value for key, value in (document or {}).items() if key not in _APART}


def _changed_tasks(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[TaskChange]:
    for task, fields in after.items():
        if task in before and before[task] != fields:
            yield TaskChange(id=task, changes=tuple(_changes(before[task], fields)))


def _changes(old: Any, new: Any, path: str = "") -> Iterator[FieldChange]:
    """The values that differ, as deep as both are mappings."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _changes(old.get(key), new.get(key), below(path, str(key)))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield FieldChange(path=path, old=old, new=new)


def canonical_text(document: Mapping[str, Any]) -> str:
    """The document as YAML, its keys in one order, whatever the order in which they were written."""
    known = [key for key in TOP_FIELDS if key in document]
    ordered = {key: document[key] for key in (*known, *sorted(key for key in document if key not in known))}
    return formats.dump({key: _sorted(value) for key, value in ordered.items()}, "yaml")


def _sorted(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, (list, tuple)) else value


def _text(old: Mapping[str, Any] | None, new: Mapping[str, Any], names: tuple[str, str]) -> tuple[str, bool]:
    before = canonical_text(old).splitlines(keepends=True) if old is not None else []
    after = canonical_text(new).splitlines(keepends=True)
    if before == after:
        return "", False
    if max(_differing(before, after)) > MAX_LINES:
        return "", True
    text = "".join(difflib.unified_diff(before, after, *names, n=3))
    return (text, False) if len(text) <= MAX_TEXT else ("", True)


def _differing(before: list[str], after: list[str]) -> tuple[int, int]:
    """How many lines of each lie between what they have in common at the beginning and at the end."""
    shorter = min(len(before), len(after))
    head = next((at for at in range(shorter) if before[at] != after[at]), shorter)
    left = shorter - head
    tail = next((at for at in range(left) if before[-1 - at] != after[-1 - at]), left)
    return len(before) - head - tail, len(after) - head - tail
