"""Which servers to start: none for an address that the environment names, an embedded one for each other."""

from __future__ import annotations

import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from orchestrator import env
from orchestrator.standalone import binaries, ports
from orchestrator.standalone.account import Account, server_account, server_root
from orchestrator.standalone.errors import CannotStart, from_os
from orchestrator.standalone.home import Home
from orchestrator.standalone.postgres import Postgres
from orchestrator.standalone.valkey import Valkey

_NEEDED_BYTES = 128 * 1024 * 1024  # an empty data directory with its first write-ahead log, and some room
EXAMPLES = "examples"


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """The servers of this start; None where the environment names one."""

    postgres: Postgres | None
    valkey: Valkey | None


def choose(home: Home) -> Embedded:
    """Find the programs, choose ports and passwords, and write the addresses into the state file."""
    own_database, own_broker = not env.text("DATABASE_URL"), not env.text("BROKER_URL")
    if not (own_database or own_broker):
        home.write(DATABASE_URL=None, BROKER_URL=None)
        return Embedded(postgres=None, valkey=None)
    account = server_account()
    try:
        root = server_root(home.path, account)
        _check_space(root)
    except OSError as error:
        raise from_os(error, "making room for the servers' data") from error
    postgres = _postgres(home, account, root) if own_database else None
    valkey = _valkey(home, account, root) if own_broker else None
    home.write(
        DATABASE_URL=postgres.url() if postgres else None,
        BROKER_URL=valkey.url if valkey else None,
        SQL_CONNECTIONS={EXAMPLES: _examples_url(home, postgres)} if postgres else None,
    )
    return Embedded(postgres=postgres, valkey=valkey)


def create_databases(home: Home, postgres: Postgres) -> None:
    """Celeriac's own database, and one for the examples' SQL tasks, whose role may not touch ours."""
    try:
        postgres.ensure_database()
        _create_examples_role(postgres, _secret(home, EXAMPLES)["password"])
        postgres.ensure_database(EXAMPLES, owner=EXAMPLES)
    except psycopg.Error as error:
        raise CannotStart(f"PostgreSQL refused to make Celeriac's databases: {str(error).strip()}.") from error


def _create_examples_role(postgres: Postgres, password: str) -> None:
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as session:
        if not session.execute("select 1 from pg_roles where rolname = %s", [EXAMPLES]).fetchone():
            session.execute(sql.SQL("create role {} login").format(sql.Identifier(EXAMPLES)))
        role = sql.Identifier(EXAMPLES)
        session.execute(sql.SQL("alter role {} password {}").format(role, sql.Literal(password)))
        session.execute(sql.SQL("revoke connect on database {} from public").format(sql.Identifier("celeriac")))


def _postgres(home: Home, account: Account, root: Path) -> Postgres:
    kept = _secret(home, "postgres")
    program = binaries.postgres(account, root)
    home.write(postgres=kept | {"port": ports.keep_or_choose(kept.get("port"))})
    return Postgres(
        program=program,
        account=account,
        root=root,
        port=home.state["postgres"]["port"],
        password=kept["password"],
    )


def _valkey(home: Home, account: Account, root: Path) -> Valkey:
    kept = _secret(home, "valkey")
    program = binaries.valkey(account, root)
    home.write(valkey=kept | {"port": ports.keep_or_choose(kept.get("port"))})
    return Valkey(
        program=program,
        account=account,
        root=root,
        port=home.state["valkey"]["port"],
        password=kept["password"],
    )


def _secret(home: Home, name: str) -> dict[str, Any]:
    """The state file's entry with a password, made at the first start."""
    if not (home.state.get(name) or {}).get("password"):
        home.write(**{name: (home.state.get(name) or {}) | {"password": secrets.token_urlsafe(18)}})
    entry: dict[str, Any] = home.state[name]
    return entry


def _examples_url(home: Home, postgres: Postgres) -> str:
    password = _secret(home, EXAMPLES)["password"]
    return f"postgresql://{EXAMPLES}:{password}@{ports.LOOPBACK}:{postgres.port}/{EXAMPLES}"


def _check_space(root: Path) -> None:
    free = shutil.disk_usage(root).free
    if free < _NEEDED_BYTES:
        raise CannotStart(
            f"The disk of {root} has {free // 2**20} MiB left and the servers need {_NEEDED_BYTES // 2**20}: "
            "free some space, or set CELERIAC_HOME to a directory on a disk that has some."
        )
