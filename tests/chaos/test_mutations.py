"""Take a mechanism out, and the test that docs/failures.md names for it fails: it is not luck that it passes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.chaos.harness.mutations import MUTATIONS

ROOT = Path(__file__).resolve().parents[2]
WALK = "tests/chaos/test_failpoints.py::test_a_run_ends_as_it_must_whatever_happens_between_two_steps"
# Mechanism, and the test that cannot pass without it.
GUARDS = {
    "fencing": "tests/chaos/test_workers.py::test_what_a_frozen_worker_says_after_its_lease_is_not_believed",
    "leases": "tests/chaos/test_workers.py::test_a_killed_worker_is_replaced_and_nothing_of_it_lives_on",
    "epoch": "tests/chaos/test_messages.py::test_a_broker_that_forgot_is_noticed_by_its_mark",
    "claims": "tests/chaos/test_messages.py::test_a_doubled_message_runs_once",
    "at_most_once": "tests/integration/engine/test_reconcile.py::test_a_task_that_may_run_once_is_not_run_twice",
    "answers": "tests/chaos/test_network.py::test_a_commit_whose_answer_is_lost_counts_once",
    "verdicts": f"{WALK}[undecided-kill]",
    "parents": f"{WALK}[run_ended-kill]",
    "reconciler": "tests/chaos/test_servers.py::test_a_broker_that_comes_back_costs_only_time",
}


def play(test: str, mutation: str) -> subprocess.CompletedProcess[str]:
    """Run one test in a process of its own, which breaks itself and every process that it starts."""
    hidden = ("PYTEST_", "DJANGO_SETTINGS_MODULE", "COV_")
    env = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    options = ("-q", "-x", "-p", "no:randomly", "-p", "no:cacheprovider", "--ds=tests.chaos.harness.mutated")
    return subprocess.run(
        [sys.executable, "-m", "pytest", *options, test],
        cwd=ROOT,
        env=env | {"CELERIAC_MUTATION": mutation},
        capture_output=True,
        text=True,
        timeout=280,
    )


def test_each_mutation_is_tried() -> None:
    assert set(GUARDS) == set(MUTATIONS)


@pytest.mark.slow
@pytest.mark.parametrize("mutation", sorted(GUARDS))
def test_without_the_mechanism_its_test_fails(mutation: str) -> None:
    done = play(GUARDS[mutation], mutation)
    assert re.search(r"^1 failed", done.stdout, re.MULTILINE), f"it passed, or broke:\n{done.stdout[-4000:]}"
    assert done.returncode == 1


@pytest.mark.slow
def test_with_everything_in_place_the_same_tests_pass() -> None:
    """By the same way, so that it is the mutation that makes them fail."""
    done = play(GUARDS["at_most_once"], "")
    assert re.search(r"^1 passed", done.stdout, re.MULTILINE), done.stdout[-4000:]
