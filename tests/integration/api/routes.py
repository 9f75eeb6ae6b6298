"""Every route of the URL configuration, with examples of its arguments, for tests that must miss none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from django.urls import URLPattern, URLResolver, get_resolver

EXAMPLES = {
    "dag_id": "sales",
    "task_id": "fetch",
    "run_id": "1",
    "approval_id": "1",
    "callback_id": "1",
    "number": "1",
    "name": "default",
    "rest": "nowhere",
}
OPEN = ("/health", "/healthz", "/readyz")
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def patterns() -> Iterator[tuple[str, URLPattern]]:
    """(route, pattern) of every view, the admin's included."""
    return _below("/", get_resolver())


def _below(prefix: str, resolver: URLResolver) -> Iterator[tuple[str, URLPattern]]:
    for item in resolver.url_patterns:
        route = prefix + str(item.pattern)
        if isinstance(item, URLResolver):
            yield from _below(route, item)
        else:
            yield route, item


def example(route: str, **changes: str) -> str:
    """An address that the route matches."""
    values = {**EXAMPLES, **changes}
    text = re.sub(r"\(\?P<(\w+)>.*?\)(?=$|/|\\Z)", lambda found: values.get(found[1], "1"), route)
    text = re.sub(r"<(?:\w+:)?(\w+)>", lambda found: values.get(found[1], "1"), text)
    return re.sub(r"\\Z|[\^$]", "", text)


def api_routes() -> list[str]:
    """The API's own routes, the catch-all included."""
    return [route for route, _ in patterns() if route.startswith("/api/")]
