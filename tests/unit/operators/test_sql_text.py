from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest

from workflows.operators.sql.result import numbered
from workflows.operators.sql.sqlite import statements
from workflows.operators.sql.text import BadStatement, check_names, quoted_table, rewrite
from workflows.operators.sql.values import to_json


@pytest.mark.parametrize(
    ("text", "out", "names"),
    [
        ("select :a", "select <a>", ["a"]),
        ("select :a, :b, :a", "select <a>, <b>, <a>", ["a", "b", "a"]),
        ("select ':a', \":b\"", "select ':a', \":b\"", []),
        ("select 'it''s :a'", "select 'it''s :a'", []),
        ("select E'it\\'s :a', :b", "select E'it\\'s :a', <b>", ["b"]),
        ("select :a::date, now()::text", "select <a>::date, now()::text", ["a"]),
        ("select x[1:2], x[:n]", "select x[1:2], x[<n>]", ["n"]),
        ("select 1 -- :a; x\n, :b", "select 1 -- :a; x\n, <b>", ["b"]),
        ("select /* :a /* ; */ */ :b", "select /* :a /* ; */ */ <b>", ["b"]),
        ("select $$ :a ; $$, :b", "select $$ :a ; $$, <b>", ["b"]),
        ("select $f$ $$ :a $$ $f$, :b", "select $f$ $$ :a $$ $f$, <b>", ["b"]),
        ("select '10%' where a like :b", "select '10%%' where a like <b>", ["b"]),
        ("select 5 % 2", "select 5 %% 2", []),
        ("select 1; ", "select 1", []),
        ("select 1; -- the end", "select 1  -- the end", []),
        ("select ':a", "select ':a", []),
    ],
)
def test_names_are_found_and_nothing_else(text, out, names):
    assert rewrite(text, lambda name: f"<{name}>", percent="%%") == (out, names)


@pytest.mark.parametrize("text", ["select 1; select 2", "select 1; drop table x;", "select 1;;x", "; 'a'", "", " ; "])
def test_a_query_is_one_statement(text):
    with pytest.raises(BadStatement):
        rewrite(text, str)


def test_values_and_names_must_match():
    check_names(["a", "a"], {"a": 1})
    with pytest.raises(BadStatement, match="no value for :b"):
        check_names(["a", "b"], {"a": 1})
    with pytest.raises(BadStatement, match="does not use :c"):
        check_names([], {"c": 1})


def test_tables_are_quoted_and_checked():
    assert quoted_table("public.stock") == '"public"."stock"'
    for name in ("a.b.c", 'a"b', "a; drop table b", "", "a.", "1a"):
        with pytest.raises(BadStatement):
            quoted_table(name)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        (Decimal("12"), 12),
        (Decimal("1.50"), 1.5),
        (Decimal("0.1234567890123456789"), "0.1234567890123456789"),
        (Decimal("NaN"), "NaN"),
        (Decimal("1e400"), "1E+400"),
        (float("inf"), "inf"),
        (date(2026, 1, 2), "2026-01-02"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
        (timedelta(seconds=90), 90.0),
        (b"\x00\xff", "AP8="),
        (memoryview(b"a"), "YQ=="),
        (UUID(int=1), "00000000-0000-0000-0000-000000000001"),
        ([Decimal(1), (None,)], [1, [None]]),
        ({"a": b"a"}, {"a": "YQ=="}),
        (True, True),
    ],
)
def test_database_values_become_json(value, plain):
    result = to_json(value)
    assert (result, type(result)) == (plain, type(plain))


def test_columns_that_come_twice_are_numbered():
    assert numbered(["id", "x", "id", "id_2", "id"]) == ["id", "x", "id_2", "id_2_2", "id_3"]


def test_a_script_is_split_where_sqlite_ends_a_statement():
    trigger = "create trigger t after insert on a begin delete from b; delete from c; end;"
    assert list(statements(f"select ';';{trigger}select 1")) == ["select ';';", trigger, "select 1"]
