"""What a browser may load for a page of ours: files of our own, and nothing that is written into the page."""

from __future__ import annotations

from django.conf import settings
from django.http.response import HttpResponseBase
from django.utils.deprecation import MiddlewareMixin

HEADER = "Content-Security-Policy"


class ContentSecurityPolicy(MiddlewareMixin):
    """Puts CONTENT_SECURITY_POLICY into the header of every answer that has none of its own."""

    def process_response(self, request: object, response: HttpResponseBase) -> HttpResponseBase:
        """Add the header."""
        if policy := getattr(settings, "CONTENT_SECURITY_POLICY", ""):
            response.headers.setdefault(HEADER, policy)
        return response
