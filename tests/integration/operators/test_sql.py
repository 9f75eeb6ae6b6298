"""The sql type on real databases; every test of the first part runs on both."""

from __future__ import annotations

import signal
import threading
import time
from urllib.parse import urlsplit

import psycopg
import pytest

from tests.support.waiting import eventually
from tests.unit.operators.fakes import context, run
from workflows.core.outcome import Done, Fail
from workflows.core.states import Reason
from workflows.operators import registry

TABLE = "create table stock (day date, item text primary key, pieces integer, price numeric, extra text);"
ROWS = [
    {"day": "2026-01-01", "item": "nail", "pieces": 3, "price": 1.5, "extra": {"a": [1]}},
    {"day": "2026-01-02", "item": "it's :x 100%", "pieces": None, "price": 2, "extra": None},
]


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request, configure, tmp_path):
    """A database with an empty table; its connection is called `d`."""
    if request.param == "sqlite":
        configure(SQL_CONNECTIONS={"d": f"sqlite:///{tmp_path}/d.db"})
    else:
        configure(SQL_CONNECTIONS={"d": request.getfixturevalue("warehouse")})
    done(run("sql", connection="d", script=f"drop table if exists stock; {TABLE}"))
    return request.param


@pytest.fixture(scope="session")
def warehouse(servers, postgres):
    return servers.create_database("warehouse")


def done(outcome):
    assert isinstance(outcome, Done), outcome
    return outcome.output


def failed(outcome):
    assert isinstance(outcome, Fail), outcome
    return outcome


def query(text, **more):
    return done(run("sql", connection="d", query=text, **more))


def test_rows_are_loaded_and_queried(database):
    assert done(run("sql", connection="d", into="stock", rows=ROWS)) == {"row_count": 2}
    output = query("select item, pieces, extra from stock where day >= :day order by day", bind={"day": "2026-01-01"})
    assert output == {
        "columns": ["item", "pieces", "extra"],
        "rows": [
            {"item": "nail", "pieces": 3, "extra": '{"a": [1]}'},
            {"item": "it's :x 100%", "pieces": None, "extra": None},
        ],
        "row_count": 2,
        "truncated": False,
    }


@pytest.mark.parametrize("value", ["'; drop table stock; --", '" or 1=1', "%s %(a)s", "\\", ":day", "é☃"])
def test_values_are_only_ever_values(database, value):
    run("sql", connection="d", into="stock", rows=[{"item": value}])
    assert query("select item from stock where item = :v", bind={"v": value}, fetch="value")["value"] == value


def test_results_are_cut_off_at_the_cap(database, configure):
    run("sql", connection="d", into="stock", columns=["item"], rows=[[str(n)] for n in range(20)])
    output = query("select item from stock", max_rows=5)
    assert (len(output["rows"]), output["truncated"]) == (5, True)
    output = query("select item from stock", max_rows=20)
    assert (len(output["rows"]), output["truncated"]) == (20, False)


def test_a_write_that_returns_more_than_is_kept_is_still_whole(database):
    run("sql", connection="d", into="stock", columns=["item"], rows=[[str(n)] for n in range(20)])
    output = query("update stock set pieces = 1 returning item", max_rows=5)
    assert (len(output["rows"]), output["truncated"]) == (5, True)
    assert query("select count(*) from stock where pieces = 1", fetch="value")["value"] == 20


def test_what_is_kept_can_be_chosen(database):
    run("sql", connection="d", into="stock", rows=ROWS)
    assert query("select pieces from stock order by day", fetch="value")["value"] == 3
    assert query("select pieces from stock order by day", fetch="one")["row"] == {"pieces": 3}
    assert query("select pieces from stock where 1 = 0", fetch="one")["row"] is None
    assert query("select pieces from stock where 1 = 0", fetch="value")["value"] is None
    assert query("update stock set pieces = 9", fetch="none") == {"row_count": 2}


def test_a_failed_statement_leaves_nothing_behind(database):
    rows = [{"item": "a"}, {"item": "b"}, {"item": "a"}]
    outcome = failed(run("sql", connection="d", into="stock", rows=rows))
    assert "unique" in outcome.message.lower()
    failed(run("sql", connection="d", script="insert into stock (item) values ('z'); select nothing;"))
    assert query("select count(*) from stock", fetch="value")["value"] == 0


def test_a_load_can_be_repeated(database):
    for _ in range(2):
        done(run("sql", connection="d", into="stock", rows=ROWS, replace=True))
    assert query("select count(*) from stock", fetch="value")["value"] == 2
    assert done(run("sql", connection="d", into="stock", rows=ROWS, on_conflict="ignore"))["row_count"] == 0
    assert done(run("sql", connection="d", into="stock", rows=[], replace=True))["row_count"] == 0
    assert query("select count(*) from stock", fetch="value")["value"] == 0


def test_wrong_rows_are_refused_before_anything_is_kept(database):
    for rows, columns, why in [
        ([{"item": "a"}, {"nope": 1}], None, "row 1 has columns that are not loaded: nope"),
        ([["a", 1], ["b"]], ["item", "pieces"], "row 1 has 1 values for 2 columns"),
        ([["a"]], None, "need columns"),
        ([{'item" , "pieces': 1}], None, "is not an identifier"),
    ]:
        assert why in failed(run("sql", connection="d", into="stock", rows=rows, columns=columns)).message
    assert query("select count(*) from stock", fetch="value")["value"] == 0


def test_two_statements_are_no_query(database):
    outcome = failed(run("sql", connection="d", query="select 1; drop table stock"))
    assert outcome.reason is Reason.BAD_INPUT
    assert query("select count(*) from stock", fetch="value")["value"] == 0


def test_a_template_in_the_text_gets_a_hint(database):
    assert ":name and bind" in failed(run("sql", connection="d", query="select {{ params.x }}")).message


def test_a_statement_runs_out_of_time(database):
    slow = {
        "sqlite": "with recursive n(x) as (select 1 union all select x + 1 from n) select count(*) from n",
        "postgresql": "select pg_sleep(60)",
    }[database]
    begun = time.monotonic()
    outcome = failed(run("sql", connection="d", query=slow, statement_timeout=0.2))
    assert outcome.reason is Reason.TIMED_OUT
    assert time.monotonic() - begun < 5
    assert failed(run("sql", timeout=0.2, connection="d", query=slow)).reason is Reason.TIMED_OUT


def test_an_unknown_connection_names_the_known_ones(configure):
    configure(SQL_CONNECTIONS={"a": "sqlite:///a.db", "m": "mysql://x"})
    assert "it has a, m" in failed(run("sql", connection="default", query="select 1")).message
    assert "neither postgresql nor sqlite" in failed(run("sql", connection="m", query="select 1")).message


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "sqlite://host/x"])
def test_a_sqlite_connection_is_a_file(configure, url):
    configure(SQL_CONNECTIONS={"a": url})
    assert "must name a file" in failed(run("sql", connection="a", query="select 1")).message


def test_sqlite_reaches_no_other_file(configure, tmp_path):
    configure(SQL_CONNECTIONS={"a": f"sqlite:///{tmp_path}/a.db", "ro": f"sqlite:///{tmp_path}/a.db?mode=ro"})
    done(run("sql", connection="a", script="create table t (x);"))
    for text in (f"attach database '{tmp_path}/b.db' as b", f"vacuum into '{tmp_path}/b.db'"):
        failed(run("sql", connection="a", query=text))
    assert not (tmp_path / "b.db").exists()
    assert "readonly" in failed(run("sql", connection="ro", query="delete from t")).message


def test_the_database_of_the_runs_is_refused(configure, postgres, settings, monkeypatch):
    parts = urlsplit(postgres)
    own = {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "HOST": "localhost",
        "PORT": parts.port,
    }
    monkeypatch.setitem(settings.DATABASES, "default", own)
    configure(SQL_CONNECTIONS={"own": postgres})
    outcome = failed(run("sql", connection="own", query="select 1"))
    assert "Celeriac's own database" in outcome.message
    assert outcome.permanent


def test_postgres_errors_do_not_show_the_password(configure):
    configure(SQL_CONNECTIONS={"p": "postgresql://u:s3cret@127.0.0.1:1/x"})
    outcome = failed(run("sql", connection="p", query="select 1"))
    assert "s3cret" not in outcome.message


class Soft(Exception):
    """What a worker raises in the middle of whatever runs."""


def busy(admin) -> bool:
    found = admin.execute(
        "select count(*) from pg_stat_activity where application_name = 'celeriac task' and state = 'active'"
    ).fetchone()
    return bool(found[0])


@pytest.mark.parametrize("text", ["select pg_sleep(60)", "do $$ begin perform pg_sleep(60); end $$"])
def test_an_interrupted_statement_is_cancelled_on_the_server(configure, warehouse, text):
    configure(SQL_CONNECTIONS={"d": warehouse})
    ctx = context("sql", connection="d", query=text)
    main = threading.main_thread().ident

    def interrupt(*_):
        raise Soft

    def when_busy():
        with psycopg.connect(warehouse, autocommit=True) as admin:
            eventually(lambda: busy(admin))
        signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, interrupt)
    thread = threading.Thread(target=when_busy)
    try:
        thread.start()
        with pytest.raises(Soft):
            registry.get("sql").run(ctx)
    finally:
        thread.join()
        signal.signal(signal.SIGUSR1, before)
    with psycopg.connect(warehouse, autocommit=True) as admin:
        eventually(lambda: not busy(admin), 3)
