"""Callbacks: who was told of what, and the action that sends one again."""

from __future__ import annotations

from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from workflows.admin import show
from workflows.admin.bases import BigTableAdmin, link_to, may, moment
from workflows.engine import callbacks
from workflows.models import Callback


@admin.register(Callback)
class CallbackAdmin(BigTableAdmin[Callback]):
    """Messages to the world outside. Headers and queries of addresses, which may be secrets, are not shown."""

    list_display = (
        "number",
        "event",
        "run_link",
        "task_id",
        "to",
        "state",
        "tries",
        moment("sent_at", _("sent")),
        "message",
    )
    list_filter = ("state", "kind", "created_at")
    search_fields = ("=id", "=run__id", "task_id")
    search_help_text = _("Number, run number or task id.")
    actions = ("send_again",)
    fields = (
        *("number", "event", "run_link", "task_id", "kind", "to", "state", "tries", "next_try_at", "message"),
        *("created_at", "sent_at", "what"),
    )
    readonly_fields = ("number", "event", "run_link", "to", "what")

    def has_resend_permission(self, request: HttpRequest) -> bool:
        """Whether the user may send callbacks again."""
        return may(request, "change_callback")

    @admin.display(description=_("callback"))
    def number(self, callback: Callback) -> str:
        return str(callback)

    @admin.display(description=_("event"))
    def event(self, callback: Callback) -> str:
        return str(callback.payload.get("event", "")).replace("_", " ")

    @admin.display(description=_("run"))
    def run_link(self, callback: Callback) -> SafeString:
        return link_to("dagrun", callback.run_id, _("run {}").format(callback.run_id))

    @admin.display(description=_("to"))
    def to(self, callback: Callback) -> str:
        return callback.address

    @admin.display(description=_("what is told"))
    def what(self, callback: Callback) -> SafeString:
        return format_html('<pre class="json">{}</pre>', show.pretty(callback.payload))

    @admin.action(description=_("Send again"), permissions=["resend"])
    def send_again(self, request: HttpRequest, queryset: QuerySet[Callback]) -> None:
        """Send them again, with all their tries."""
        count = callbacks.resend(*queryset.values_list("pk", flat=True))
        told = ngettext("%d callback will be sent.", "%d callbacks will be sent.", count) % count
        self.message_user(request, told, messages.SUCCESS)
