"""The folders of a checkout: which there are, what is in one, and all together."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

# What tools leave in a checkout and nobody wrote.
_LEFT_OUT = {"node_modules", "__pycache__", "build", "dist"}


class Written(TypedDict):
    """What a shell task wrote."""

    text: str


class Counted(TypedDict):
    """What is in one folder."""

    files: int
    lines: int


def top_level(root: str) -> list[str]:
    """The names of the top-level folders, without hidden ones."""
    names = (path.name for path in Path(root).iterdir() if path.is_dir())
    return sorted(name for name in names if not name.startswith(".") and name not in _LEFT_OUT)


def count(root: str, folder: str, suffix: str) -> Counted:
    """How many files are in a folder, and how many lines those have that end with `suffix`."""
    files = lines = 0
    for path in (Path(root) / folder).rglob("*"):
        if path.is_file() and not _LEFT_OUT.intersection(path.parts):
            files += 1
            lines += path.read_bytes().count(b"\n") if path.name.endswith(suffix) else 0
    print(f"{folder}: {files} files, {lines} lines")
    return {"files": files, "lines": lines}


def add_up(folders: list[str], counts: list[Counted], sizes: list[Written]) -> dict[str, int]:
    """Print a table, and return the sums."""
    for name, counted, size in zip(folders, counts, sizes, strict=True):
        print(f"{counted['files']:>6} files {counted['lines']:>8} lines {int(size['text']):>8} kB  {name}")
    return {
        "folders": len(folders),
        "files": sum(counted["files"] for counted in counts),
        "lines": sum(counted["lines"] for counted in counts),
        "kilobytes": sum(int(size["text"]) for size in sizes),
    }
