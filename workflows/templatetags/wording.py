"""Filters that put the engine's words into the reader's language."""

from __future__ import annotations

from django import template

from workflows.admin import show
from workflows.engine import phrases

register = template.Library()
register.filter("said", phrases.said)
register.filter("gate", phrases.gate)
register.filter("problem_word", phrases.problem)
register.filter("difference", show.difference)
