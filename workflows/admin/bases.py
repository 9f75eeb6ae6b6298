"""What our model admins share: read-only tables, bounded counting, links."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from django.contrib import admin
from django.contrib.admin.utils import quote, unquote
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.db.models import Model, QuerySet
from django.forms import Form
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.functional import cached_property
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import capfirst

from workflows.admin import show

M = TypeVar("M", bound=Model)

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise

    _ModelAdmin = admin.ModelAdmin
else:

    class _ModelAdmin(admin.ModelAdmin):
        """Django's ModelAdmin takes no type argument when the program runs."""

        def __class_getitem__(cls, item: Any) -> type[_ModelAdmin]:
            return cls


COUNT_LIMIT = 10_000
EMPTY = "–"


class BoundedPaginator(Paginator):  # type: ignore[type-arg]
    """Counts no further than COUNT_LIMIT rows: counting millions would take seconds on every page."""

    @cached_property
    def count(self) -> int:
        rows = self.object_list
        return rows.order_by()[:COUNT_LIMIT].count() if isinstance(rows, QuerySet) else len(rows)


def moment(field: str, description: _StrPromise) -> Callable[[Any], SafeString]:
    """A column that shows a moment, for `list_display`."""

    @admin.display(description=description, ordering=field)
    def shown(row: Any) -> SafeString:
        return show.when(getattr(row, field))

    return shown


class SkinnedAdmin(_ModelAdmin[M]):
    """A model admin that brings the style sheet of our pages along, in any project."""

    empty_value_display = EMPTY
    list_per_page = 50
    show_full_result_count = False

    class Media:
        css = {"all": ["workflows/tokens.css", "workflows/pages.css"]}

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """The list, titled by what it lists."""
        title = {"title": capfirst(self.opts.verbose_name_plural)}
        return super().changelist_view(request, {**title, **(extra_context or {})})

    def page_context(self, request: HttpRequest, **more: Any) -> dict[str, Any]:
        """The context of a page of our own under this model."""
        request.current_app = self.admin_site.name
        return {**self.admin_site.each_context(request), "opts": self.opts, "media": self.media, **more}


class ReadOnlyAdmin(SkinnedAdmin[M]):
    """Rows that the engine writes and people read."""

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: M | None = None) -> bool:
        return False

    def page(self, request: HttpRequest, row: M) -> HttpResponse:
        """The page of one row, for who may see it: Django's form where a subclass has no page of its own."""
        return super().change_view(request, quote(str(row.pk)))

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """The page, after the questions that every page asks."""
        row = self.get_object(request, unquote(object_id))
        if not self.has_view_permission(request, row):
            raise PermissionDenied
        if row is None:
            raise Http404
        return self.page(request, row)


class BigTableAdmin(ReadOnlyAdmin[M]):
    """For tables that grow without end: newest first, no sorting without an index, bounded counting."""

    paginator = BoundedPaginator
    ordering = ("-id",)
    sortable_by = ()


def refill(form: Form, request: HttpRequest, **values: object) -> None:
    """Show a sent form again with some of its hidden values changed."""
    data = request.POST.copy()
    for name, value in values.items():
        data[name] = str(value)
    form.data = data


def may(request: HttpRequest, permission: str) -> bool:
    """Whether the user holds a permission of our app, such as "view_dagrun"."""
    user: User | AnonymousUser = request.user
    return user.has_perm(f"workflows.{permission}")


def link_to(model: str, pk: int | None, text: object) -> SafeString:
    """A link to the page of one row of ours; the dash when there is none."""
    if pk is None:
        return SafeString(EMPTY)
    return format_html('<a href="{}">{}</a>', reverse(f"admin:workflows_{model}_change", args=[pk]), text)


def link_to_list(model: str, text: object, **filters: object) -> SafeString:
    """A link to a filtered list of our rows."""
    return format_html('<a href="{}">{}</a>', list_url(model, **filters), text)


def list_url(model: str, **filters: object) -> str:
    """The address of a filtered list of our rows."""
    return reverse(f"admin:workflows_{model}_changelist", query=filters or None)


def live_part(response: HttpResponse, live: bool) -> HttpResponse:
    """Tell the page's script whether to ask again."""
    response["X-Celeriac-Live"] = "yes" if live else "no"
    return response
