"""Pages that mount the front end: what they load, what they give to it, and what they say while it is not built."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import translation

from tests.integration.admin.conftest import ALL_VIEWS, logged_in, person
from workflows.designer import assets
from workflows.engine import publish, templates
from workflows.templatetags.frontend import frontend_entry

MANIFEST = {
    "src/entries/designer.tsx": {"file": "assets/d.js", "css": ["assets/d.css"], "imports": ["_shared.js"]},
    "_shared.js": {"file": "assets/s.js", "css": ["assets/s.css"], "imports": ["_shared.js"]},
}


def props_of(page: str) -> dict[str, object]:
    block = re.search(r'<script id="celeriac-props" type="application/json">(.*?)</script>', page)
    assert block
    found: dict[str, object] = json.loads(block[1])
    return found


def test_an_entry_brings_the_styles_of_what_it_imports(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(json.dumps(MANIFEST))
    found = assets.entry("designer", tmp_path)
    assert found == assets.Entry(
        script="workflows/dist/assets/d.js",
        styles=("workflows/dist/assets/s.css", "workflows/dist/assets/d.css"),
    )
    assert assets.entry("another", tmp_path) is None


def test_a_page_says_that_the_front_end_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = assets.entry
    monkeypatch.setattr(assets, "entry", lambda name: entry(name, tmp_path))
    with translation.override("en"):
        assert "run `make frontend`" in frontend_entry("designer")


def test_the_designer_knows_its_dag_and_what_the_user_may_do(db: None) -> None:
    version = publish.publish("{id: drawn, tasks: {a: {type: shell, command: 'true'}}}")
    address = reverse("admin:workflows_dag_designer", args=[version.dag.pk])
    viewer = logged_in(person("viewer", *ALL_VIEWS))
    props = props_of(viewer.get(address).content.decode())
    assert (props["dag"], props["api"]) == ("drawn", "/api/v1/")
    assert props["permissions"] == {
        "publish": False,
        "run": False,
        "control": False,
        "operate": False,
        "logs": True,
        "templates": True,
    }
    assert viewer.get(reverse("admin:workflows_dag_designer_new")).status_code == 403


def test_the_designer_says_which_template_a_dag_follows(root: Client) -> None:
    templates.save("template: greet\ndag: {id: greet, tasks: {a: {type: shell, command: 'true'}}}")
    version = templates.generate("greet", {})
    address = reverse("admin:workflows_dag_designer", args=[version.dag.pk])
    assert props_of(root.get(address).content.decode())["template"] == "greet"
    publish.publish("{id: greet, tasks: {a: {type: shell, command: 'false'}}}")
    assert props_of(root.get(address).content.decode())["template"] is None


def test_the_designer_opens_on_nothing_for_who_may_publish(root: Client) -> None:
    props = props_of(root.get(reverse("admin:workflows_dag_designer_new")).content.decode())
    assert props["dag"] is None
