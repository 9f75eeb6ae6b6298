"""Questions to people: who may answer, and what an answer does. API, admin and command all come here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.db.models import Q, QuerySet

from workflows.core.errors import ApprovalClosed, MayNotAnswer, UnknownApproval
from workflows.core.states import Reason, TaskState
from workflows.engine import sql, waits
from workflows.engine.advance import Consequences
from workflows.engine.launch import follow_up
from workflows.engine.waits import Waiting
from workflows.models import Approval

if TYPE_CHECKING:
    from django.contrib.auth.models import AbstractUser

OPERATE = "workflows.change_dagrun"  # what nobody in particular needs to answer


def may_answer(approval: Approval, user: AbstractUser) -> bool:
    """Whether a user may answer: one of the named users or of a named group; a superuser always.

    Where nobody is named, whoever may operate runs.
    """
    if not user.is_active:
        return False
    if user.is_superuser:
        return True
    if not approval.users and not approval.groups:
        return user.has_perm(OPERATE)
    if user.get_username() in approval.users:
        return True
    return bool(approval.groups) and user.groups.filter(name__in=approval.groups).exists()


def open_to(user: AbstractUser) -> QuerySet[Approval]:
    """The open approvals that a user may answer."""
    found = Approval.objects.open()
    if not user.is_active:
        return found.none()
    if user.is_superuser:
        return found
    groups = list(user.groups.values_list("name", flat=True))
    mine = Q(users__contains=[user.get_username()]) | Q(groups__overlap=groups)
    return found.filter(mine | Q(users=[], groups=[]) if user.has_perm(OPERATE) else mine)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """An approval as it stands under the run's lock, with the task that waits for it."""

    waiting: Waiting
    on_reject: str
    is_open: bool


_ASKED = """
SELECT t.id, t.run_id, t.position, t.map_index, a.attempt, t.failures, r.version_id, a.on_reject,
       a.closed_at IS NULL AND t.state = 'deferred' AND t.attempt = a.attempt
  FROM workflows_approval a JOIN workflows_taskexecution t ON t.id = a.task_execution_id
  JOIN workflows_dagrun r ON r.id = t.run_id
 WHERE a.id = %s
"""

_ANSWER = """
UPDATE workflows_approval SET answered_at = now(), closed_at = now(), answered_by_id = %s, approved = %s, comment = %s
 WHERE id = %s AND answered_at IS NULL
RETURNING to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
"""


def answer(approval_id: int, user: AbstractUser, *, approved: bool, comment: str = "") -> Approval:
    """Answer an open approval: its task succeeds, or fails (or is skipped) as `rejected`, in the same transaction.

    Of several answers at the same time one counts. Raises UnknownApproval, MayNotAnswer, ApprovalClosed.
    """
    approval = Approval.objects.filter(pk=approval_id).first()
    if approval is None:
        raise UnknownApproval(approval_id=approval_id)
    if not may_answer(approval, user):
        raise MayNotAnswer(user=user.get_username(), approval_id=approval_id)
    after = Consequences()
    with sql.on_django(), transaction.atomic():
        _apply(approval_id, user, approved, comment.replace("\x00", ""), after)
        transaction.on_commit(lambda: follow_up(after))
    approval.refresh_from_db()
    return approval


def _apply(approval_id: int, user: AbstractUser, approved: bool, comment: str, after: Consequences) -> None:
    sql.lock_run(_asked(approval_id).waiting.run_id)
    asked = _asked(approval_id)  # once more: a cancel, a timeout or another answer may have come before the lock
    if not asked.is_open:
        raise ApprovalClosed(approval_id=approval_id)
    at = sql.run(_ANSWER, (user.pk, approved, comment, approval_id))[0][0]
    by = user.get_username()
    to, reason, message = TaskState.SUCCESS, Reason.NONE, ""
    if not approved:
        to = TaskState.SKIPPED if asked.on_reject == "skip" else TaskState.FAILED
        reason, message = Reason.REJECTED, f"rejected by {by}" + (f": {comment}" if comment else "")
    output = {"approved": approved, "by": by, "comment": comment, "at": at}
    if not waits.settle(asked.waiting, to, after, reason=reason, message=message, output=output):
        raise ApprovalClosed(approval_id=approval_id)


def _asked(approval_id: int) -> _Asked:
    rows = sql.run(_ASKED, (approval_id,))
    if not rows:
        raise UnknownApproval(approval_id=approval_id)
    execution_id, run_id, position, map_index, attempt, failures, version_id, on_reject, is_open = rows[0]
    waiting = Waiting(
        execution_id=execution_id,
        run_id=run_id,
        position=position,
        map_index=map_index,
        attempt=attempt,
        failures=failures,
        version_id=version_id,
        answered=False,
        late=False,
        on_timeout=None,
    )
    return _Asked(waiting=waiting, on_reject=on_reject, is_open=is_open)
