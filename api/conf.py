"""The settings of REST framework and drf-spectacular: closed by default, JSON only, no guessing from URLs."""

from __future__ import annotations

from typing import Any, Final

from workflows.core.states import Reason, RunState, TaskState

PREFIX: Final = "/api/"
VERSION: Final = "v1"
MAX_BODY_BYTES: Final = 12_000_000  # a document of MAX_DOCUMENT_BYTES inside a JSON string


def _choices(words: type[RunState] | type[TaskState] | type[Reason]) -> list[tuple[str, str]]:
    return [(word.value, word.value.replace("_", " ")) for word in words if word.value]


REST_FRAMEWORK: Final[dict[str, Any]] = {
    # Token first: its WWW-Authenticate header makes "who are you?" a 401 and keeps 403 for "you may not".
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "api.authentication.ApiTokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["api.permissions.Needed"],
    "DEFAULT_PARSER_CLASSES": ["api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "drf_spectacular.openapi.AutoSchema",
    "DEFAULT_METADATA_CLASS": None,
    "EXCEPTION_HANDLER": "api.errors.handle",
    "URL_FORMAT_OVERRIDE": None,
    "UNICODE_JSON": True,
    "STRICT_JSON": True,
    "TEST_REQUEST_DEFAULT_FORMAT": "json",
    "TEST_REQUEST_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.MultiPartRenderer",
    ],
}

SPECTACULAR_SETTINGS: Final[dict[str, Any]] = {
    "TITLE": "Celeriac API",
    "DESCRIPTION": "DAGs, their versions and runs. Every error is a problem document (RFC 9457).",
    "VERSION": VERSION,
    "SCHEMA_PATH_PREFIX": f"{PREFIX}{VERSION}",
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.IsAuthenticated"],
    "SERVE_URLCONF": None,
    "COMPONENT_SPLIT_REQUEST": True,
    "ENUM_ADD_EXPLICIT_BLANK_NULL_CHOICE": False,
    "ENUM_NAME_OVERRIDES": {
        "RunState": _choices(RunState),
        "TaskState": _choices(TaskState),
        "Reason": _choices(Reason),
        "DocumentFormat": [("yaml", "YAML"), ("json", "JSON")],
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "api.schema.add_problems",
    ],
}
