"""The report at the end of repository_report: text in the task's log, its title as the output."""

from __future__ import annotations

from typing import Any


def write(
    source: str,
    authors: dict[str, int],
    days: list[dict[str, Any]],
    longest: list[dict[str, Any]],
    files: int,
    lines: int,
    api: str,
) -> dict[str, str]:
    """Print the report."""
    changes = sum(authors.values())
    title = f"{files} files, {lines} lines, {changes} changes by {len(authors)} authors"
    print(f"{title} (from {source}; the API is {api})\n")
    _column("busiest days", ((day["day"], day["changes"]) for day in days))
    _column("longest files", ((file["path"], file["line_count"]) for file in longest))
    _column("authors", authors.items())
    return {"title": title}


def _column(title: str, rows: Any) -> None:
    print(title)
    for name, count in rows:
        print(f"{count:>8}  {name}")
    print()
