"""Failpoints: what they are told to do, by which process and at which time, and nothing when they are told nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.waiting import eventually
from workflows import failpoints
from workflows.failpoints import Armed, Trap, Tripped, parse

ROOT = Path(__file__).resolve().parents[2]
COME_BY = """
from workflows import failpoints
for n in range({times}):
    failpoints.hit('claimed')
    print(n, flush=True)
"""


def process(text: str, counts: Path, *, times: int = 3) -> subprocess.Popen[str]:
    """A process that comes by the point `claimed` some times and counts aloud."""
    env = os.environ | {"CELERIAC_FAILPOINTS": text, "CELERIAC_FAILPOINT_COUNTS": str(counts)}
    return subprocess.Popen(
        [sys.executable, "-c", COME_BY.format(times=times)],
        cwd=ROOT,
        env=env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def test_unarmed_is_what_this_process_is() -> None:
    assert failpoints._armed is None
    failpoints.hit("claimed")


def test_traps_are_read() -> None:
    found = parse("claimed=kill; sent=raise:3;finished=delay:0.5;carried=delay:2:7;flushed=stop;")
    assert found == {
        "claimed": Trap(action="kill", nth=1),
        "sent": Trap(action="raise", nth=3),
        "finished": Trap(action="delay", nth=0, seconds=0.5),
        "carried": Trap(action="delay", nth=7, seconds=2.0),
        "flushed": Trap(action="stop", nth=1),
    }


@pytest.mark.parametrize("text", ["claimed", "claimed=die", "nowhere=kill", "claimed=kill:x", "claimed=delay"])
def test_what_cannot_be_read_is_refused(text: str) -> None:
    """A misspelt point would be a fault that was never injected, and a test that proves nothing."""
    with pytest.raises(ValueError, match="CELERIAC_FAILPOINTS"):
        parse(text)


def test_the_nth_time_counts_over_processes(tmp_path: Path) -> None:
    first = process("claimed=kill:5", tmp_path)
    assert (first.communicate()[0].split(), first.returncode) == (["0", "1", "2"], 0)
    second = process("claimed=kill:5", tmp_path)
    assert (second.communicate()[0].split(), second.returncode) == (["0"], -signal.SIGKILL)
    third = process("claimed=kill:5", tmp_path)
    assert (third.communicate()[0].split(), third.returncode) == (["0", "1", "2"], 0), "once, and not again"


def test_a_stopped_process_goes_on_where_it_was(tmp_path: Path) -> None:
    stopped = process("claimed=stop:2", tmp_path)
    eventually(lambda: Path(f"/proc/{stopped.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T")
    stopped.send_signal(signal.SIGCONT)
    assert stopped.communicate()[0].split() == ["0", "1", "2"]


def test_a_file_can_be_changed_under_a_running_process(tmp_path: Path) -> None:
    traps = tmp_path / "traps"
    armed = Armed(f"@{traps}")
    armed.hit("claimed")
    traps.write_text("claimed=raise:1;sent=delay:0.2")
    with pytest.raises(Tripped, match="claimed"):
        armed.hit("claimed")
    armed.hit("claimed")
    began = time.monotonic()
    armed.hit("sent")
    assert time.monotonic() - began >= 0.2
    traps.unlink()
    armed.hit("claimed")
