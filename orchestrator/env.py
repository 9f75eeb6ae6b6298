"""The environment, read once and loudly: a value that cannot be understood stops the program."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

ROOT = Path(__file__).resolve().parent.parent


class BadEnvironment(SystemExit):
    """An environment variable is wrong; the message names it and the mend."""


def text(name: str, default: str = "") -> str:
    """NAME, or the content of the file that NAME_FILE names (for secrets), or the default."""
    path = os.environ.get(f"{name}_FILE")
    if path:
        try:
            return Path(path).read_text(encoding="utf-8").strip()
        except OSError as error:
            raise BadEnvironment(f"{name}_FILE: cannot read {path}: {error.strerror}") from error
    return os.environ.get(name, default)


def flag(name: str, *, default: bool) -> bool:
    """A yes/no variable: 1/0, true/false, yes/no, on/off."""
    value = text(name).strip().lower()
    if value in ("", "1", "true", "yes", "on", "0", "false", "no", "off"):
        return default if value == "" else value in ("1", "true", "yes", "on")
    raise BadEnvironment(f"{name}={value!r} is not a yes or no: use 1 or 0")


def words(name: str) -> list[str]:
    """A comma-separated list."""
    return [part.strip() for part in text(name).split(",") if part.strip()]


def json_object(name: str) -> dict[str, Any]:
    """A JSON object; empty when the variable is not set."""
    given = text(name).strip()
    try:
        value: Any = json.loads(given) if given else {}
    except ValueError as error:
        raise BadEnvironment(f"{name} is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise BadEnvironment(f'{name} must be a JSON object, such as {{"LEASE_SECONDS": 60}}')
    return value


def home() -> Path:
    """Where the embedded servers keep their data and the state file."""
    return Path(text("CELERIAC_HOME") or ROOT / ".celeriac").resolve()


def standalone_state() -> dict[str, Any]:
    """What a standalone of this home wrote down (addresses, secrets); empty when there is none."""
    try:
        state: dict[str, Any] = json.loads((home() / "state.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, PermissionError):
        return {}
    except ValueError as error:
        raise BadEnvironment(f"{home() / 'state.json'} is not JSON: move it away and start again") from error
    return state


def flower_url(state: dict[str, Any]) -> str:
    """Where a standalone's Flower listens, from its state; empty when there is none."""
    port = (state.get("ports") or {}).get("flower")
    return f"http://127.0.0.1:{port}/" if port else ""


def database(url: str) -> dict[str, Any]:
    """Django's DATABASES entry for a postgresql:// URL."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql"):
        raise BadEnvironment(f"DATABASE_URL must start with postgresql://, not {parts.scheme}://")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "celeriac",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": parts.hostname or "",
        "PORT": str(parts.port or ""),
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": {
            "application_name": "celeriac",
            "connect_timeout": 5,
            "options": "-c lock_timeout=15000 -c idle_in_transaction_session_timeout=60000",
        },
    }
