"""The environment is read once and loudly."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator import env


def test_text_prefers_the_file_variant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A secret mounted as a file wins, without its line end."""
    secret = tmp_path / "key"
    secret.write_text("from-file\n")
    monkeypatch.setenv("SOME_KEY", "from-variable")
    assert env.text("SOME_KEY") == "from-variable"
    monkeypatch.setenv("SOME_KEY_FILE", str(secret))
    assert env.text("SOME_KEY") == "from-file"


def test_an_unreadable_secret_stops_the_program_with_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Falling back to the default would start with the wrong database."""
    monkeypatch.setenv("DATABASE_URL_FILE", "/nonexistent/secret")
    with pytest.raises(env.BadEnvironment, match="DATABASE_URL_FILE: cannot read /nonexistent/secret"):
        env.text("DATABASE_URL")


@pytest.mark.parametrize(
    ("value", "meaning"),
    [
        ("1", True),
        ("Yes", True),
        ("on", True),
        ("TRUE", True),
        ("0", False),
        ("no", False),
        ("off", False),
        ("", True),
    ],
)
def test_flag(monkeypatch: pytest.MonkeyPatch, value: str, meaning: bool) -> None:
    """An empty value is no answer."""
    monkeypatch.setenv("SOME_FLAG", value)
    assert env.flag("SOME_FLAG", default=True) is meaning


def test_a_flag_that_is_neither_yes_nor_no_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """DEBUG=flase must not mean what nobody said."""
    monkeypatch.setenv("DEBUG", "flase")
    with pytest.raises(env.BadEnvironment, match="DEBUG='flase'"):
        env.flag("DEBUG", default=False)


def test_words(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces and empty parts do not count."""
    monkeypatch.setenv("ALLOWED_HOSTS", " a.example, ,b.example ")
    assert env.words("ALLOWED_HOSTS") == ["a.example", "b.example"]


def test_database_url_parts_are_unquoted() -> None:
    """A password may hold any character."""
    entry = env.database("postgresql://us%40er:p%2Fw%3A@db.example:6543/na%20me")
    assert (entry["USER"], entry["PASSWORD"], entry["HOST"], entry["PORT"], entry["NAME"]) == (
        *("us@er", "p/w:"),
        *("db.example", "6543", "na me"),
    )


def test_another_database_is_refused() -> None:
    """Never a silent SQLite."""
    with pytest.raises(env.BadEnvironment, match="must start with postgresql://, not sqlite://"):
        env.database("sqlite:///db.sqlite3")


def test_state_of_a_standalone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Missing: none. Broken: said, because the addresses in it are needed."""
    monkeypatch.setenv("CELERIAC_HOME", str(tmp_path))
    assert env.standalone_state() == {}
    (tmp_path / "state.json").write_text(json.dumps({"BROKER_URL": "redis://x"}))
    assert env.standalone_state() == {"BROKER_URL": "redis://x"}
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(env.BadEnvironment, match=r"state\.json is not JSON"):
        env.standalone_state()


@pytest.mark.parametrize("value", ["LEASE_SECONDS=3", "[1]", "3"])
def test_a_json_variable_that_is_no_object_stops_the_program(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    """Starting with the defaults instead would hide the mistake."""
    monkeypatch.setenv("CELERIAC_SETTINGS", value)
    with pytest.raises(env.BadEnvironment, match="CELERIAC_SETTINGS"):
        env.json_object("CELERIAC_SETTINGS")


def test_a_json_variable_is_an_object_or_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CELERIAC_SETTINGS", raising=False)
    assert env.json_object("CELERIAC_SETTINGS") == {}
    monkeypatch.setenv("CELERIAC_SETTINGS", '{"LEASE_SECONDS": 3}')
    assert env.json_object("CELERIAC_SETTINGS") == {"LEASE_SECONDS": 3}
