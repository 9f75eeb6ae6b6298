"""What the worker's surroundings say."""

from __future__ import annotations

import os


def api_url(given: str = "") -> str:
    """The address of Celeriac's own web process: the given one, the environment's, or the usual one."""
    named = given or os.environ.get("CELERIAC_API_URL") or os.environ.get("CELERIAC_URL")
    url = (named or "http://127.0.0.1:8000").rstrip("/")
    print(url)
    return url
