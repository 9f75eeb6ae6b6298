"""What the front end was built to: the files of an entry, from the manifest that the build leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DIST = Path(__file__).resolve().parent.parent / "static" / "workflows" / "dist"
STATIC = "workflows/dist"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The files of one entry, as paths for Django's `static`."""

    script: str
    styles: tuple[str, ...]


def entry(name: str, dist: Path = DIST) -> Entry | None:
    """The files of an entry; None while the front end is not built, or not with this entry."""
    manifest = _manifest(dist)
    chunk = manifest.get(f"src/entries/{name}.tsx")
    if chunk is None:
        return None
    styles = dict.fromkeys(_styles(manifest, chunk, set()))
    return Entry(script=f"{STATIC}/{chunk['file']}", styles=tuple(f"{STATIC}/{style}" for style in styles))


def _styles(manifest: Mapping[str, Any], chunk: Mapping[str, Any], seen: set[str]) -> Iterator[str]:
    """The style sheets of what the chunk imports, then its own."""
    for name in chunk.get("imports", ()):
        if name not in seen:
            seen.add(name)
            yield from _styles(manifest, manifest[name], seen)
    yield from chunk.get("css", ())


_KEPT: dict[Path, tuple[int, dict[str, Any]]] = {}


def _manifest(dist: Path) -> dict[str, Any]:
    """The manifest, read again when it was built again: its files are named after their content."""
    path = dist / "manifest.json"
    try:
        changed = path.stat().st_mtime_ns
    except FileNotFoundError:
        return {}
    known = _KEPT.get(dist)
    if known is None or known[0] != changed:
        _KEPT[dist] = known = (changed, json.loads(path.read_text()))
    return known[1]
