"""No page needs what the policy forbids: inline scripts, inline styles, anything of another host."""

from __future__ import annotations

import re

import pytest
from django.test import Client
from django.urls import reverse

from tests.integration.admin.conftest import Story

_PAGES = ("admin:index", "admin:workflows_dag_changelist", "admin:workflows_nodepool_add", "admin:password_change")


def test_every_answer_carries_the_policy(root: Client, client: Client) -> None:
    for answer in (root.get(reverse("admin:index")), client.get("/healthz"), client.get(reverse("admin:login"))):
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'self'; ")


@pytest.mark.parametrize("name", _PAGES)
def test_pages_hold_no_inline_script_or_style(name: str, root: Client, story: Story) -> None:
    page = root.get(reverse(name)).content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    for attributes in re.findall(r"<script([^>]*)>", page):
        assert "src=" in attributes or 'type="application/json"' in attributes


def test_the_page_of_a_periodic_task_says_its_crontab_without_a_script_of_its_own(root: Client) -> None:
    page = root.get(reverse("admin:django_celery_beat_periodictask_add")).content.decode()
    assert "periodic-task-overrides" not in page
    assert "workflows/crontabs.js" in page


def test_the_language_is_switched_by_a_form(root: Client) -> None:
    sent = root.post(reverse("set_language"), {"language": "zh-hans", "next": reverse("admin:index")})
    assert sent.status_code == 302
    assert '<html lang="zh-hans"' in root.get(reverse("admin:index")).content.decode()
