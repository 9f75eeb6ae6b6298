"""A checkout's history: `git log` parsed, or what the files themselves tell when there is no git."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from examples.sources import walk

MOST = 1000  # rows: an output has to fit into OUTPUT_MAX_BYTES


def parse(log: str, repository: str = ".") -> dict[str, Any]:
    """Rows of (id, author, day, subject) from lines of id, author, time and subject with tabs between them.

    Without a log each file stands for a change made on the day that it was last written.
    """
    rows = [_commit(line) for line in log.splitlines() if line.count("\t") >= 3]
    source = "git log" if rows else "file times"
    rows = (rows or _from_files(Path(repository)))[:MOST]
    authors = Counter(row["author"] for row in rows)
    print(f"{len(rows)} changes from {source}, by {len(authors)} authors")
    return {"source": source, "count": len(rows), "authors": dict(authors.most_common(10)), "rows": rows}


def _commit(line: str) -> dict[str, str]:
    sha, author, at, subject = line.split("\t", 3)
    return {"id": sha[:12], "author": author, "day": at[:10], "subject": subject[:120]}


def _from_files(root: Path) -> list[dict[str, str]]:
    files = sorted(((path.stat().st_mtime, path) for path in walk(root)), reverse=True)
    return [
        {
            "id": f"file{number}",
            "author": "unknown",
            "day": datetime.fromtimestamp(written, UTC).date().isoformat(),
            "subject": str(path.relative_to(root))[:120],
        }
        for number, (written, path) in enumerate(files)
    ]
