"""Django's settings for the tests: the project's own, on servers that start when a test needs them.

The addresses are chosen here, before Django reads them; the fixture `servers` starts the servers there.
Whatever the caller's DATABASE_URL and BROKER_URL name is never touched.
"""

from __future__ import annotations

import os
import secrets
import tempfile

from orchestrator.standalone import ports

# Each of the processes that pytest runs side by side chooses among ports of its own, and so does what it starts: a port
# is free until its server listens, which takes a while.
_SHARE, _WORKER = 1_500, int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")) % 10
os.environ["CELERIAC_PORTS"] = f"{15_000 + _WORKER * _SHARE}-{15_000 + (_WORKER + 1) * _SHARE - 1}"
POSTGRES_PORT, VALKEY_PORT = ports.choose(), ports.choose()
SERVER_PASSWORD = secrets.token_urlsafe(12)

os.environ["DATABASE_URL"] = f"postgresql://celeriac:{SERVER_PASSWORD}@127.0.0.1:{POSTGRES_PORT}/celeriac"
os.environ["BROKER_URL"] = f"redis://:{SERVER_PASSWORD}@127.0.0.1:{VALKEY_PORT}/0"
os.environ["SECRET_KEY"] = secrets.token_urlsafe(48)
# A standalone that runs in this checkout keeps its state to itself.
os.environ["CELERIAC_HOME"] = os.path.join(tempfile.gettempdir(), f"celeriac-tests-{os.getpid()}")
for _name in ("DEBUG", "HTTPS", "ALLOWED_HOSTS", "DATABASE_URL_FILE", "BROKER_URL_FILE", "SECRET_KEY_FILE"):
    os.environ.pop(_name, None)

from orchestrator.settings import *  # noqa: E402, F403

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
STATIC_ROOT = None  # nothing is collected for tests, and WhiteNoise warns of a directory that is missing
# A lease that a test lets run out is over at once, though PostgreSQL was started a moment ago.
# Chords wider than the default, which is chosen for speed: what is allowed is what is tested.
CELERIAC = {**CELERIAC, "LEASE_RENEW_SECONDS": 0.0, "CANVAS_MAX_HEADER": 8}  # noqa: F405
