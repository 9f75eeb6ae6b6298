"""As whom the embedded servers run: PostgreSQL refuses to run as root."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestrator import env
from orchestrator.standalone.errors import CannotStart

FALLBACK_ROOT = Path("/var/lib/celeriac")


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The user of the servers, and whether we must change to it."""

    name: str
    uid: int
    gid: int
    switch: bool

    def popen(self) -> dict[str, Any]:
        """Arguments of `subprocess` for a child that runs as this account, in a directory that it can see."""
        if not self.switch:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": [], "cwd": "/"}

    def own(self, path: Path, mode: int) -> Path:
        """Give one path of ours to the account."""
        path.chmod(mode)
        if self.switch:
            os.chown(path, self.uid, self.gid)
        return path

    def directory(self, path: Path) -> Path:
        """A private directory of the account, made if it is missing."""
        path.mkdir(parents=True, exist_ok=True)
        return self.own(path, 0o700)

    def reaches(self, path: Path) -> bool:
        """Whether every directory from / down to `path` lets the account through."""
        if not self.switch:
            return True
        return all(self._passes(part) for part in (*reversed(path.resolve().parents), path.resolve()) if part.exists())

    def _passes(self, directory: Path) -> bool:
        info = directory.stat()
        if info.st_uid == self.uid:
            return bool(info.st_mode & stat.S_IXUSR)
        return bool(info.st_mode & (stat.S_IXGRP if info.st_gid == self.gid else stat.S_IXOTH))


def server_account() -> Account:
    """The caller's own account, or, when that is root, `nobody` (CELERIAC_SERVER_USER names another one)."""
    uid = os.geteuid()
    if uid:
        try:
            name = pwd.getpwuid(uid).pw_name
        except KeyError:
            raise CannotStart(
                f"The user id {uid} has no entry in the password database, which PostgreSQL's initdb needs: "
                "run as a user that has one, or set DATABASE_URL to a PostgreSQL of yours."
            ) from None
        return Account(name=name, uid=uid, gid=os.getegid(), switch=False)
    wanted = env.text("CELERIAC_SERVER_USER") or "nobody"
    try:
        entry = pwd.getpwnam(wanted)
        grp.getgrgid(entry.pw_gid)
    except KeyError:
        raise CannotStart(
            f"PostgreSQL does not run as root, and there is no user {wanted!r} to run it as: "
            "set CELERIAC_SERVER_USER to an ordinary user, or DATABASE_URL to a PostgreSQL of yours."
        ) from None
    return Account(name=wanted, uid=entry.pw_uid, gid=entry.pw_gid, switch=True)


def server_root(home: Path, account: Account) -> Path:
    """Where the servers' data goes: the home, or /var/lib when the account cannot get into the home."""
    if account.reaches(home):
        return home
    root = FALLBACK_ROOT / str(home).strip("/").replace("/", "-")
    root.mkdir(parents=True, exist_ok=True)
    for directory in (FALLBACK_ROOT, root):
        directory.chmod(0o711)
    return root
