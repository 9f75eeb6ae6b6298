"""Source files: which ones a tree has, how long they are, and what functions are in them."""

from __future__ import annotations

import ast
import os
import sysconfig
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

MOST = 1000
_SKIPPED = {"node_modules", "__pycache__", "site-packages", "venv", "build", "dist"}


def walk(root: Path, suffix: str = ".py") -> Iterator[Path]:
    """Every source file below a directory, without hidden ones and what was installed there."""
    for folder, folders, names in os.walk(root):
        folders[:] = sorted(name for name in folders if name[0] != "." and name not in _SKIPPED)
        yield from (Path(folder, name) for name in sorted(names) if name.endswith(suffix))


def parse(listing: str) -> dict[str, Any]:
    """Rows of (path, folder, line_count) from what `wc -l` printed, the longest file first."""
    rows = []
    for line in listing.splitlines():
        count, _, path = line.strip().partition(" ")
        if count.isdigit() and path and path != "total":
            path = path.strip().removeprefix("./")
            rows.append({"path": path, "folder": path.rpartition("/")[0] or ".", "line_count": int(count)})
    rows.sort(key=lambda row: -row["line_count"])
    lines = sum(row["line_count"] for row in rows)
    print(f"{len(rows)} files, {lines} lines")
    return {"files": len(rows), "lines": lines, "rows": rows[:MOST]}


def by_folder(rows: list[dict[str, Any]]) -> dict[str, int]:
    """Lines in each folder, the largest first."""
    folders: dict[str, int] = defaultdict(int)
    for row in rows:
        folders[row["folder"]] += row["line_count"]
    ordered = dict(sorted(folders.items(), key=lambda item: -item[1])[:20])
    for folder, lines in ordered.items():
        print(f"{lines:>7}  {folder}")
    return ordered


def measure(package: str) -> dict[str, Any]:
    """The functions of a package of Python's standard library, or of a directory: how many, how long."""
    root = Path(package) if os.sep in package or package == "." else Path(sysconfig.get_path("stdlib"), package)
    lengths = [length for path in walk(root) for length in _function_lengths(path)]
    if not lengths:
        raise LookupError(f"there is no function in {package!r}")
    lengths.sort()
    middle = lengths[len(lengths) // 2]
    found = {"package": package, "functions": len(lengths), "longest": lengths[-1], "middle": middle}
    print(", ".join(f"{name} {value}" for name, value in found.items()))
    return found


def _function_lengths(path: Path) -> list[int]:
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return []  # the standard library's own tests hold files that are broken on purpose
    functions = (node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)))
    return [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions]


@cache
def _standard_library() -> list[Path]:
    return list(walk(Path(sysconfig.get_path("stdlib"))))


def count_slice(part: int, parts: int) -> dict[str, int]:
    """Files and bytes in one of many equal slices of the standard library's source."""
    files = _standard_library()[part::parts]
    return {"files": len(files), "bytes": sum(path.stat().st_size for path in files)}


def add_up(celeriac_context: dict[str, Any]) -> dict[str, int]:
    """The sums over all upstream tasks, and whether no file was missed."""
    counted = [task["output"] for task in celeriac_context["tasks"].values()]
    files, size = (sum(each[name] for each in counted) for name in ("files", "bytes"))
    if files != len(_standard_library()):
        raise ValueError(f"{files} files were counted, and there are {len(_standard_library())}")
    print(f"{files} files, {size} bytes, in {len(counted)} slices")
    return {"slices": len(counted), "files": files, "bytes": size}
