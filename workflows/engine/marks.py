"""Small facts with a time that processes leave for each other: who swept, which canary passed, what was thrown away."""

from __future__ import annotations

from datetime import datetime

from workflows.engine import sql

LATELY = 3600.0  # seconds for which something that was thrown away is worth a word

_SET = """
INSERT INTO workflows_brokermark (name, value) VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET value = EXCLUDED.value, at = now()
"""

_COUNT = """
INSERT INTO workflows_brokermark (name, value) VALUES (%s, '1')
ON CONFLICT (name) DO UPDATE SET value = (workflows_brokermark.value::bigint + 1)::text, at = now()
"""

_COUNTED = """
SELECT split_part(name, ':', 2), value::bigint, EXTRACT(EPOCH FROM now() - at)::float8
  FROM workflows_brokermark WHERE name LIKE %s || ':%%' ORDER BY at DESC
"""


def put(name: str, value: str) -> None:
    """Set a mark, now."""
    sql.run(_SET, (name, value))


def set_at(name: str) -> datetime | None:
    """When a mark was set last."""
    rows = sql.run("SELECT at FROM workflows_brokermark WHERE name = %s", (name,))
    return rows[0][0] if rows else None


def dropped(kind: str) -> None:
    """Count a message that a worker threw away: `unknown_task`, `undecodable` or `malformed`."""
    sql.persist(lambda: sql.run(_COUNT, (f"dropped:{kind}",)))


def counted(what: str) -> tuple[int, str]:
    """How often it happened in all, and what happened last if that was lately ("" otherwise)."""
    rows = sql.run(_COUNTED, (what,))
    lately = [f"{kind} {seconds:.0f} s ago" for kind, _, seconds in rows if seconds < LATELY]
    return sum(row[1] for row in rows), lately[0] if lately else ""
