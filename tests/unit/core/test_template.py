"""Templates: what is wrong with one is known before it is used, and what it generates has its shape."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.core.documents import CATALOGUE
from workflows.core import formats, template, templating
from workflows.core.template import Template
from workflows.core.template_places import leaves
from workflows.core.validate import Limits, check

TEXT = """\
template: export
title: Export of a table
params:
  table: {type: string, pattern: "^[a-z_.]+$"}
  keep: {type: integer, default: 30, minimum: 1}
  words: {type: string, default: hello}
  extra: {type: object, default: {}}
  tags: {type: array, default: []}
dag:
  id: export_<% template.table | replace(".", "_") %>
  name: Export of <% template.table %>
  config: {tags: <% template.tags %>, max_active_runs: <% template.keep %>}
  params:
    day: {type: string, format: date, default: "{{ run.logical_date | date }}"}
    words: {default: <% template.words %>}
  tasks:
    fetch:
      type: sql
      parameters: {connection: w, query: "select * from <% template.table %>", bind: {day: "{{ params.day }}"}}
      timeout: <% template.keep %>m
    send:
      type: http
      parameters: {url: "https://x/{{ params.day }}?q=<% template.words %>", headers: <% template.extra %>}
      depends_on: [fetch]
    check: {type: conditional, condition: "tasks.fetch.output.n > <% template.keep %>", true_task: say}
    say: {type: shell, command: "echo <% template.words %>"}
  dependencies: {check: [fetch]}
"""


def read(text: str = TEXT) -> template.Read:
    return template.read(text, CATALOGUE, Limits())


def opened(text: str = TEXT) -> Template:
    found = read(text)
    assert found.template is not None, found.problems
    return found.template


def generate(values: dict[str, Any], text: str = TEXT, dag_id: str | None = None) -> template.Generated:
    return template.generate(opened(text), values, CATALOGUE, Limits(), dag_id=dag_id)


def test_a_document_is_made_of_values() -> None:
    made = generate({"table": "shop.orders", "keep": 7, "tags": ["a", "b"], "extra": {"X-A": "{{ params.day }}"}})
    assert made.problems == ()
    assert made.document is not None
    assert made.spec is not None
    document = made.document
    assert (document["id"], document["name"]) == ("export_shop_orders", "Export of shop.orders")
    assert document["config"] == {"tags": ["a", "b"], "max_active_runs": 7}
    assert document["tasks"]["fetch"]["parameters"]["query"] == "select * from shop.orders"
    assert made.spec.tasks["fetch"].timeout == 420.0
    assert document["tasks"]["check"]["condition"] == "tasks.fetch.output.n > 7"
    headers = document["tasks"]["send"]["parameters"]["headers"]
    assert templating.render(headers, {"params": {"day": "leaked"}}) == {"X-A": "{{ params.day }}"}
    assert list(document) == ["id", "name", "config", "params", "tasks", "dependencies"]


def test_the_id_may_be_chosen() -> None:
    made = generate({"table": "a"}, dag_id="mine")
    assert made.document is not None
    assert made.document["id"] == "mine"
    nameless = TEXT.replace('  id: export_<% template.table | replace(".", "_") %>\n', "")
    assert [p.code for p in generate({"table": "a"}, nameless).problems] == ["missing_field"]
    made = generate({"table": "a"}, nameless, dag_id="mine")
    assert made.document is not None
    assert next(iter(made.document)) == "id"


def test_values_are_checked_as_the_parameters_of_a_run_are() -> None:
    made = generate({"tabel": "x", "keep": 0, "words": 3})
    assert made.document is None
    found = [(problem.path, problem.code) for problem in made.problems]
    assert found == [
        ("values.tabel", "unknown_param"),
        ("values.table", "missing_param"),
        ("values.keep", "out_of_range"),
        ("values.words", "wrong_type"),
    ]


def test_defaults_are_data() -> None:
    text = TEXT.replace("default: hello", 'default: "{{ params.day }}"')
    made = generate({"table": "a"}, text)
    assert made.document is not None
    default = made.document["params"]["words"]["default"]
    assert templating.render(default, {}) == "{{ params.day }}"


def test_problems_of_the_generated_document_have_their_place_in_the_template() -> None:
    made = generate({"table": "a", "tags": ["x" * 101]})
    (problem,) = made.problems
    assert (problem.path, problem.code, problem.line) == ("dag.config.tags[0]", "out_of_range", 12)
    made = generate({"table": "a; drop table b"}, TEXT.replace(', pattern: "^[a-z_.]+$"', ""))
    assert {(p.path, p.code, p.line) for p in made.problems} == {
        ("dag.tasks.fetch.parameters.query", "unsafe_place", 19),
        ("dag.id", "bad_id", 10),
    }


@pytest.mark.parametrize(
    ("old", "new", "code", "line"),
    [
        ("type: shell", "type: shel", "unknown_type", 26),
        ("type: shell", "type: <% template.words %>", "unsafe_place", 26),
        ("depends_on: [fetch]\n", "depends_on: [<% template.words %>]\n", "unsafe_place", 24),
        ("true_task: say", "true_task: <% template.words %>", "unsafe_place", 25),
        ("    say: {", "    <% template.words %>: {", "unsafe_place", 26),
        ("template.keep %>m", "template.kep %>m", "unknown_param", 20),
        ("template.keep %>m", "keep %>m", "unknown_name", 20),
        ("template.keep %>m", "template.keep | nofilter %>m", "bad_expression", 20),
        ("template.keep %>m", "template.keep + %>m", "bad_expression", 20),
        ("<% template.keep %>m", "<% template.keep", "bad_expression", 20),
        ("{{ params.day }}?q=", "{{ params. }}?q=", "bad_expression", 23),
        ("{{ params.day }}?q=<%", "{{ '<% template.words %>' }}?q=<%", "unsafe_place", 23),
        ("{{ params.day }}?q=<%", "{{ params.<% template.words %> }}?q=<%", "unsafe_place", 23),
        ("n > <%", "n | nofilter > <%", "bad_expression", 25),
        ("depends_on: [fetch]\n", "depends_on: [ftech]\n", "unknown_upstream", 24),
        ("template: export", "template: a b", "bad_id", 1),
        ("template: export", "tempalte: export", "missing_field", 1),
        ("title: Export", "tilte: Export", "unknown_field", 2),
        ("minimum: 1", "minimun: 1", "unknown_field", 5),
        ("default: 30", "default: 0", "bad_default", 5),
        ("default: hello", 'default: "{{ x }}", enum: [a]', "bad_default", 6),
        ("  table: {", "  a-b: {type: string, default: x}\n  table: {", "bad_id", 4),
    ],
)
def test_what_is_wrong_is_known_without_values(old: str, new: str, code: str, line: int) -> None:
    assert old in TEXT
    found = read(TEXT.replace(old, new, 1))
    assert found.template is None
    assert (code, line) in {(p.code, p.line) for p in found.problems}, found.problems


@pytest.mark.parametrize("text", ["", "- 1", "42", "id: x\ntasks: {a: {type: shell}}", "template: x", "{", "a: b: c"])
def test_what_is_no_template_is_a_problem(text: str) -> None:
    found = read(text)
    assert found.template is None
    assert found.problems


def test_a_template_for_a_dag_says_what_it_is() -> None:
    (problem,) = check(TEXT, CATALOGUE, Limits()).problems
    assert "template_import" in problem.message
    assert "not a template" in read("id: x\ntasks: {a: {type: shell}}").problems[0].message


def shape(value: Any) -> Any:
    """Keys and lengths, without leaves."""
    if isinstance(value, dict):
        return {key: shape(item) for key, item in value.items()}
    return [shape(item) for item in value] if isinstance(value, list) else None


hostile = st.lists(
    st.sampled_from(
        ["{{", "}}", "{%", "%}", "<%", "%>", "\n  evil: {type: shell, command: id}", ": ", "'", '"', "]", "- "]
    ),
    max_size=8,
).map("".join)


@given(words=st.one_of(hostile, st.text()), table=st.from_regex(r"\A[a-z_.]+\Z"))
def test_no_value_adds_structure(words: str, table: str) -> None:
    made = generate({"table": table, "words": words})
    if made.document is None or made.problems:
        return
    plain = {**opened().dag, "config": {"tags": [], "max_active_runs": 1}}
    plain["tasks"] = json.loads(json.dumps(plain["tasks"]))
    plain["tasks"]["send"]["parameters"]["headers"] = {}
    assert shape(made.document) == shape(plain)
    again = formats.load(formats.dump(made.document, "yaml")).data
    assert again == made.document
    context = {"params": {"day": "D", "words": words}, "run": {"logical_date": "2025-01-31T00:00:00"}}
    url = made.document["tasks"]["send"]["parameters"]["url"]
    assert templating.render(url, context) == f"https://x/D?q={words}"
    assert templating.render(made.document["params"]["words"]["default"], context) == words


def test_every_text_of_a_generated_document_was_looked_at() -> None:
    made = generate({"table": "a"})
    assert made.document is not None
    assert not [path for path, value in leaves(made.document) if isinstance(value, str) and "<%" in value]
