"""Every error as application/problem+json (RFC 9457): DRF's, the engine's, Django's, and the unforeseen."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from http import HTTPStatus
from typing import Any, TypedDict

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.core.signals import got_request_exception
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse, UnreadablePostError
from django.utils.translation import gettext as _
from django.views import defaults
from rest_framework import exceptions
from rest_framework.views import set_rollback

from api.conf import PREFIX
from workflows.core import errors as core
from workflows.core.errors import CeleriacError, Problem
from workflows.engine import phrases

log = logging.getLogger(__name__)
CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = "5"


class ProblemRow(TypedDict):
    """One entry of `problems`."""

    code: str
    path: str
    message: str
    tasks: list[str]
    line: int | None
    column: int | None


STATUS_OF: Mapping[type[CeleriacError], tuple[HTTPStatus, str]] = {
    core.UnknownDag: (HTTPStatus.NOT_FOUND, "unknown_dag"),
    core.UnknownVersion: (HTTPStatus.NOT_FOUND, "unknown_version"),
    core.VersionConflict: (HTTPStatus.CONFLICT, "version_conflict"),
    core.UnknownRun: (HTTPStatus.NOT_FOUND, "unknown_run"),
    core.DagHasRuns: (HTTPStatus.CONFLICT, "dag_has_runs"),
    core.RunGoesOn: (HTTPStatus.CONFLICT, "run_goes_on"),
    core.PartOfRun: (HTTPStatus.CONFLICT, "part_of_run"),
    core.UnknownBackfill: (HTTPStatus.NOT_FOUND, "unknown_backfill"),
    core.BadBackfill: (HTTPStatus.UNPROCESSABLE_ENTITY, "bad_backfill"),
    core.NoDates: (HTTPStatus.UNPROCESSABLE_ENTITY, "no_dates"),
    core.TooManyDates: (HTTPStatus.UNPROCESSABLE_ENTITY, "too_many_dates"),
    core.UnknownTemplate: (HTTPStatus.NOT_FOUND, "unknown_template"),
    core.UnknownPool: (HTTPStatus.NOT_FOUND, "unknown_pool"),
    core.UnknownCallback: (HTTPStatus.NOT_FOUND, "unknown_callback"),
    core.UnknownApproval: (HTTPStatus.NOT_FOUND, "unknown_approval"),
    core.MayNotAnswer: (HTTPStatus.FORBIDDEN, "may_not_answer"),
    core.ApprovalClosed: (HTTPStatus.CONFLICT, "approval_closed"),
    core.BadPool: (HTTPStatus.UNPROCESSABLE_ENTITY, "bad_pool"),
    core.PoolExists: (HTTPStatus.CONFLICT, "pool_exists"),
    core.NothingToDo: (HTTPStatus.CONFLICT, "nothing_to_do"),
    core.TasksAtWork: (HTTPStatus.CONFLICT, "tasks_at_work"),
    core.OtherGraph: (HTTPStatus.CONFLICT, "other_graph"),
    core.NotOver: (HTTPStatus.CONFLICT, "not_over"),
    core.PartOfAnotherRun: (HTTPStatus.CONFLICT, "part_of_another_run"),
    core.UnknownTask: (HTTPStatus.NOT_FOUND, "unknown_task"),
    core.InvalidDocument: (HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_document"),
    core.BadParams: (HTTPStatus.UNPROCESSABLE_ENTITY, "bad_params"),
    core.NoVersion: (HTTPStatus.CONFLICT, "no_version"),
    core.DagPaused: (HTTPStatus.CONFLICT, "dag_paused"),
    core.NotFromTemplate: (HTTPStatus.CONFLICT, "not_from_template"),
    core.TemplateInUse: (HTTPStatus.CONFLICT, "template_in_use"),
    core.IdempotencyConflict: (HTTPStatus.CONFLICT, "idempotency_conflict"),
    core.NoSchedule: (HTTPStatus.NOT_FOUND, "no_schedule"),
    core.BadSignature: (HTTPStatus.UNAUTHORIZED, "authentication_failed"),
    core.StaleSignature: (HTTPStatus.UNAUTHORIZED, "authentication_failed"),
    core.RunIsOver: (HTTPStatus.CONFLICT, "run_is_over"),
}


def rows(problems: Iterable[Problem]) -> list[ProblemRow]:
    """Problems as JSON."""
    return [
        {
            "code": p.code,
            "path": p.path,
            "message": p.message,
            "tasks": list(p.tasks),
            "line": p.line,
            "column": p.column,
        }
        for p in problems
    ]


def problem(
    request: HttpRequest | None,
    status: int,
    code: str,
    detail: str,
    *,
    problems: Iterable[Problem] = (),
    headers: Mapping[str, str] | None = None,
) -> JsonResponse:
    """A problem document as a response; independent of content negotiation, which may be what failed."""
    body = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": int(status),
        "detail": detail,
        "instance": request.path if request is not None else "",
        "code": code,
        "problems": rows(problems),
    }
    return JsonResponse(body, status=status, content_type=CONTENT_TYPE, headers=dict(headers or {}))


def handle(error: Exception, context: Mapping[str, Any]) -> HttpResponseBase:
    """DRF's exception handler."""
    set_rollback()
    request = context.get("request")
    plain: HttpRequest | None = getattr(request, "_request", request)
    match error:
        case CeleriacError():
            return _engine(plain, error)
        case exceptions.ValidationError():
            found = tuple(_flat(error.detail, ""))
            return problem(plain, error.status_code, "invalid", _("The request is not valid."), problems=found)
        case exceptions.APIException():
            return _of_drf(plain, error)
        case Http404():
            return problem(plain, HTTPStatus.NOT_FOUND, "not_found", _("There is nothing here."))
        case PermissionDenied():
            return problem(plain, HTTPStatus.FORBIDDEN, "permission_denied", _("You may not do this."))
        case RequestDataTooBig():
            return problem(plain, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", _("The request is too large."))
        case SuspiciousOperation() | UnreadablePostError():
            return problem(plain, HTTPStatus.BAD_REQUEST, "bad_request", _("The request cannot be read."))
        case OperationalError() | InterfaceError():
            log.warning("database: %s", str(error).strip())
            return _away(plain)
        case _:
            return _unforeseen(plain, error, context)


def _engine(request: HttpRequest | None, error: CeleriacError) -> JsonResponse:
    status, code = next(
        (answer for kind, answer in STATUS_OF.items() if isinstance(error, kind)),
        (HTTPStatus.UNPROCESSABLE_ENTITY, "refused"),
    )
    return problem(request, status, code, phrases.error(error), problems=getattr(error, "problems", ()))


def _of_drf(request: HttpRequest | None, error: exceptions.APIException) -> JsonResponse:
    headers = {}
    if challenge := getattr(error, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(error, "wait", None):
        headers["Retry-After"] = f"{wait:.0f}"
    codes = error.get_codes()
    code = codes if isinstance(codes, str) else "error"
    return problem(request, error.status_code, code, str(error.detail), headers=headers)


def _away(request: HttpRequest | None) -> JsonResponse:
    return problem(
        request,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "database_unavailable",
        _("The database cannot be reached; try again."),
        headers={"Retry-After": RETRY_AFTER_SECONDS},
    )


def _unforeseen(request: HttpRequest | None, error: Exception, context: Mapping[str, Any]) -> JsonResponse:
    """A bug: told to the log and to whoever listens to Django's signal, never to the caller."""
    log.error("unforeseen error in the API", exc_info=error)
    got_request_exception.send(sender=type(context.get("view")), request=request)
    return problem(
        request,
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        _("Something went wrong; the server's log says what."),
    )


def _flat(detail: Any, path: str) -> Iterator[Problem]:
    """DRF's nested details as a list, each with its path."""
    if isinstance(detail, Mapping):
        for key, inner in detail.items():
            below = path if key == "non_field_errors" else f"{path}.{key}" if path else str(key)
            yield from _flat(inner, below)
    elif isinstance(detail, list):
        for index, inner in enumerate(detail):
            yield from _flat(inner, f"{path}[{index}]" if isinstance(inner, Mapping | list) else path)
    else:
        yield Problem(code=getattr(detail, "code", "invalid") or "invalid", path=path, message=str(detail))


def _is_ours(request: HttpRequest) -> bool:
    return request.path_info.startswith(PREFIX)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler400: for errors before a view is reached, such as a host that is not allowed."""
    if _is_ours(request):
        return problem(request, HTTPStatus.BAD_REQUEST, "bad_request", _("The request cannot be understood."))
    return defaults.bad_request(request, exception)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Django's handler404."""
    if _is_ours(request):
        return problem(request, HTTPStatus.NOT_FOUND, "not_found", _("There is nothing here."))
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Django's handler500: for errors outside DRF's handler (middleware, rendering)."""
    if _is_ours(request):
        return problem(
            request,
            HTTPStatus.INTERNAL_SERVER_ERROR,
            "internal_error",
            _("Something went wrong; the server's log says what."),
        )
    return defaults.server_error(request)
