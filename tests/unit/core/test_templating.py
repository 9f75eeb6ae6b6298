from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workflows.core import filters, templating
from workflows.core.errors import RenderError
from workflows.core.sandbox import SANDBOX

CONTEXT: dict[str, Any] = {
    "params": {"n": 3, "day": "2025-01-31", "list": [1, "a", None, True], "map": {"items": "mine", "k": 1}},
    "run": {"logical_date": datetime(2025, 1, 31, 2, 30, tzinfo=UTC), "date": date(2025, 1, 31)},
    "tasks": {"fetch": {"output": {"rows": 5}}},
}


def render(text: Any, **options: Any) -> Any:
    return templating.render(text, CONTEXT, **options)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{{ params.n }}", 3),
        ("{{ params.list }}", [1, "a", None, True]),
        ("{{ params }}", CONTEXT["params"]),
        ("{{ params.n }} {{ params.list }}", '3 [1, "a", null, true]'),
        ("n={{ params.n }}\n", "n=3\n"),
        ("{{ params.n > 2 }}", True),
        ("x{{ params.n > 2 }}{{ none }}", "xtruenull"),
        ("{{ run.logical_date }}", "2025-01-31T02:30:00+00:00"),
        ("{{ run.logical_date | date }}", "2025-01-31"),
        ("{{ run.date | datetime }}", "2025-01-31T00:00:00"),
        ("{{ params.day | date('%d.%m.%Y') }}", "31.01.2025"),
        ("{{ run.logical_date | shift(days=1, hours=-3) | datetime('%Y%m%d%H') }}", "2025013123"),
        ("{{ run.logical_date.year }}", 2025),
        ("{{ (run.logical_date - run.logical_date).days }}", 0),
        ("{{ params.map.items }}", "mine"),
        ("{{ params.map['k'] }}", 1),
        ("{{ params.items() | list | length }}", 4),
        ("{{ params.missing | default('d') }}", "d"),
        ("{{ params.day[:4] }}", "2025"),
        ("{{ params.day.split('-') | last | int }}", 31),
        ("{{ params.list | tojson }}", '[1, "a", null, true]'),
        ("{{ '{\"a\": [1]}' | fromjson }}", {"a": [1]}),
        ("{{ \"it's\" | quote }}", "'it'\"'\"'s'"),
        ("{{ {'a': 'x y', 'b': 1} | urlencode }}", "a=x+y&b=1"),
        ("{{ 'a/b' | urlencode }}", "a%2Fb"),
        ("{{ range(3) | map('string') | join('-') }}", "0-1-2"),
        ("{{ [3, 1, 2] | sort }}", [1, 2, 3]),
        ("{{ [1, 2.5] | sum }}", 3.5),
        ("{{ 2.345 | round(1) }}", 2.3),
        ("{{ 2.5 | round }}", 2),
        ("{{ 'abcdef' | truncate(4) }}", "abc…"),
        ("{{ 'a' ~ params.n ~ true }}", "a3true"),
        ("{{ 'aXb'.replace('X', '-') | upper }}", "A-B"),
        ("{% for x in params.list %}{{ loop.index }}{{ ',' if not loop.last }}{% endfor %}", "1,2,3,4"),
        ("{% if params.n == 3 %}yes{% endif %}", "yes"),
        ("${#array[@]} {{ params.n }} {# stays #}", "${#array[@]} 3 {# stays #}"),
        ("{% raw %}{{ untouched }}{% endraw %}", "{{ untouched }}"),
        ("no template", "no template"),
        (["{{ params.n }}", {"k": "{{ params.n }}", "{{ key }}": 1}], [3, {"k": 3, "{{ key }}": 1}]),
        (7, 7),
    ],
)  # fmt: skip
def test_rendering(text: Any, expected: Any) -> None:
    result = render(text)
    assert result == expected
    assert type(result) is type(expected)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{{ params.nope }}", "params.nope is not defined"),
        ("x {{ tasks.fetch.output.nope.deeper }}", "tasks.fetch.output.nope is not defined"),
        ("{{ params['nope'] ~ 'x' }}", "params.nope is not defined"),
        ("{{ nope }}", "nope is not defined"),
        ("{{ lipsum() }}", "lipsum is not defined"),
        ("{{ params.n / 0 }}", "division by zero"),
        ("{{ params.n | date }}", "expected a date"),
        ("{{ params.list | sum }}", "sum needs numbers"),
        ("{{ params.day.upper }}", "not plain data"),
        ("{{ params.n", "unexpected"),
        ("{{ params.n | nofilter }}", "no filter"),
        ("line\n{{ params.n | trunc }}", "did you mean 'truncate'?"),
    ],
)
def test_failures_say_what_and_where(text: str, words: str) -> None:
    with pytest.raises(RenderError) as caught:
        render(text)
    assert words in str(caught.value)
    assert caught.value.expression == text


ESCAPES = [
    "{{ ''.__class__ }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ''['__class__'] }}",
    "{{ params.__init__.__globals__ }}",
    "{{ params['__class__'] }}",
    "{{ params | attr('__class__') }}",
    "{{ [params] | map(attribute='__class__') | list }}",
    "{{ params.list | groupby('__class__') }}",
    "{{ (params.list | sort(attribute='__class__.__mro__')) }}",
    "{{ 'a'.format }}",
    "{{ '{0.__class__}'.format(params) }}",
    "{{ '{0.__class__}'.format_map(params) }}",
    "{{ '%s' % params }}",
    "{{ self.__init__.__globals__ }}",
    "{{ self._TemplateReference__context }}",
    "{{ range.__globals__ }}",
    "{{ params.get.__globals__ }}",
    "{{ params.get.function }}",
    "{{ params.day.upper.owner }}",
    "{{ params.update({'n': 4}) }}",
    "{{ params.list.append(1) }}",
    "{{ params.list.clear() }}",
    "{{ params.pop('n') }}",
    "{% for x in [1] %}{{ loop.__init__.__globals__ }}{% endfor %}",
    "{% for x in [1] %}{{ loop._iterator }}{% endfor %}",
    "{{ run.logical_date.__reduce__() }}",
    "{{ run.logical_date.tzinfo }}",
    "{{ cycler.__init__.__globals__ }}",
    "{{ namespace(a=1) }}",
    "{{ dict(a=1) }}",
    "{{ joiner }}",
    "{{ url_for.__globals__ }}",
    "{{ context.environment }}",
    "{{ environment }}",
    "{% set ns = ''.__class__ %}{{ ns }}",
    "{% include '/etc/passwd' %}",
    "{% import 'os' as os %}{{ os }}",
    "{% from 'os' import system %}",
    "{% extends 'x' %}",
    "{% macro m() %}{{ caller.__globals__ }}{% endmacro %}{{ m() }}",
    "{% call x() %}{% endcall %}",
    "{% block x %}{% endblock %}",
    "{% filter upper %}x{% endfilter %}",
    "{% for x in [1] recursive %}{{ loop([2]) }}{% endfor %}",
    "{{ ''.join([].__class__) }}",
]


@pytest.mark.parametrize("text", ESCAPES)
def test_nothing_but_plain_data_can_be_reached(text: str) -> None:
    before = repr(CONTEXT)
    for each in (text, text + " "):
        with pytest.raises(RenderError):
            render(each)
    assert repr(CONTEXT) == before


DOUBLED = "{% set a = a ~ a %}" * 40
BOMBS = [
    "{{ 'x' * 10**9 }}",
    "{{ 10**9 * 'x' }}",
    "{{ [0] * 10**9 }}",
    "{{ 9 ** 99999 }}",
    "{{ 2 ** 4000 * 2 ** 4000 }}",
    "{{ '%999999999d' % 1 }}",
    "{{ '{:>999999999}'.format(1) }}",
    "{{ 'x'.center(10**9) }}",
    "{{ 'x'.ljust(10**9) }}",
    "{{ 'x'.zfill(10**9) }}",
    "{{ 'x' | center(10**9) }}",
    "{{ 'x' | indent(10**9) }}",
    "{{ [1] | batch(10**9, 0) | list }}",
    "{{ ('x' * 1000).replace('x', 'x' * 900000) }}",
    "{{ ('x' * 1000) | replace('x', 'x' * 900000) }}",
    "{{ range(1000) | join('x' * 900000) }}",
    "{{ range(10**9) }}",
    "{% set a = 'ab' %}" + DOUBLED + "{{ a }}",
    "{% set a = 'ab' %}" + DOUBLED.replace("~", "+") + "{{ a }}",
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a }}",
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "x{{ a }}",
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a | string | length }}",
    "{% set a = [1] %}" + "{% set a = [a, a] %}" * 40 + "{{ a | upper }}",
    "{% set a = [1] %}" + "{% set a = {'k': [a, a]} %}" * 40 + "{{ a | urlencode }}",
    "{% for a in range(9999) %}{% for b in range(9999) %}xxxxxxxxxxxxxxxx{% endfor %}{% endfor %}",
    "{{ 1.5 | round(10**9) ~ 'x' * 10**9 }}",
    "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "{{ " + "-" * 3000 + "1 }}",
    "{{ " + "1 + " * 20_000 + "1 }}",
    "{{ " + "[" * 300 + "]" * 300 + " }}",
    "{% if 1 %}" * 300 + "{% endif %}" * 300,
    "{% for x in [1] %}" * 30 + "{% endfor %}" * 30,
    "{{ " + "9" * 5000 + " }}",
    "{{ 1e999 }}",
]


@pytest.mark.parametrize("text", BOMBS)
def test_bombs_are_refused_before_they_go_off(text: str) -> None:
    with pytest.raises(RenderError):
        render(text)


def test_all_texts_share_one_limit() -> None:
    text = "{{ 'x' * 60 }}"
    assert len(render([text], max_chars=100)[0]) == 60
    for value in ([text, text], ["a" + text, "a" + text], ["{{ range(9) }}"] * 2, "{{ 'x' * 101 }}"):
        with pytest.raises(RenderError, match="longer than 100"):
            render(value, max_chars=100)


_WORDS = """
{{ }} {% %} params . n list | sort map('upper') ( ) [ ] 0 'a' ~ + * ** % - if endif endfor is in none not loop
self range(3) __class__ { } : , é tojson default raw endraw
"""
PIECES = st.sampled_from([*_WORDS.split(), "for x in", "set a =", " ", "\n"])


@given(st.lists(PIECES, max_size=12).map(lambda parts: "{{" + " ".join(parts) + "}}") | st.text(max_size=40))
@settings(max_examples=150)
def test_garbage_raises_nothing_but_render_errors(text: str) -> None:
    try:
        result = render(text)
    except RenderError:
        return
    assert "object at 0x" not in str(result)
    assert templating.syntax_problem(text) is None


def test_a_template_that_passes_the_check_compiles() -> None:
    for name in SANDBOX.filters:
        assert templating.syntax_problem(f"{{{{ params | {name} }}}}") is None
    assert set(SANDBOX.filters) == set(filters.FILTERS)


def test_defaults_may_not_loop() -> None:
    assert render("{{ run.logical_date | date }}", simple=True) == "2025-01-31"
    for text in ("{% for x in range(9) %}{% endfor %}", "{% set a = 1 %}{{ a }}", "{% if 1 %}{% endif %}"):
        with pytest.raises(RenderError, match="statements"):
            render(text, simple=True)


def test_values_pass_the_quoting_on_their_way_into_a_text() -> None:
    def quoted(value: str | None) -> str:
        return f"<{value}>"

    assert render("a {{ params.n }} {{ none }} {{ params.list[1] ~ 'b' }}", quote=quoted) == "a <3> <None> <ab>"
    assert render("{{ params.n }}", quote=quoted) == "<3>"
    assert render("{{ params.n }}") == 3
    with pytest.raises(RenderError):
        render("{{ params.nope }}", quote=quoted)


def test_a_template_says_what_it_refers_to() -> None:
    analysis = templating.analyse(
        "{{ tasks.a.output }}{{ tasks['b-c'] }}{{ params.p }}{% for i in x %}{{ i }}{{ loop.index }}{% endfor %}"
    )
    assert analysis.tasks == {"a", "b-c"}
    assert analysis.params == {"p"}
    assert analysis.names == {"tasks", "params", "x"}
    assert (analysis.simple, analysis.single, analysis.loose_tasks) == (False, False, False)
    assert templating.analyse("{{ params.n }}").single
    assert templating.analyse("{{ tasks[params.n] }}").loose_tasks
    assert templating.analyse("{% for t in tasks %}{% endfor %}").loose_tasks


def test_is_template_looks_at_the_leaves() -> None:
    assert templating.is_template({"a": [1, {"b": "x {{ y }}"}]})
    assert not templating.is_template({"{{ key }}": ["plain", None, 1]})
