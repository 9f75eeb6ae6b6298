"""`{% frontend_entry "name" %}`: the style sheets and the script of one entry of the front end."""

from __future__ import annotations

from django import template
from django.templatetags.static import static
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from workflows.designer import assets

register = template.Library()


@register.simple_tag
def frontend_entry(name: str) -> SafeString:
    """Links to the entry's files, or a sentence that says how to build them."""
    found = assets.entry(name)
    if found is None:
        return format_html(
            '<p class="callout warning" role="status">{}</p>', _("The front end is not built: run `make frontend`.")
        )
    styles = format_html_join("", '<link rel="stylesheet" href="{}">', ((static(style),) for style in found.styles))
    return format_html('{}<script type="module" src="{}"></script>', styles, static(found.script))
