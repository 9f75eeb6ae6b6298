from __future__ import annotations

import json
import os
import stat
import sys
from pathlib import Path

import pytest

from tests.unit.operators.fakes import Log, run
from workflows.core.outcome import Done, Fail, Skip
from workflows.core.states import Reason


def test_output_is_streamed_and_the_exit_code_kept():
    log = Log()
    assert run("shell", command="echo out; echo err >&2", log=log) == Done(output={"exit_code": 0, "json": None})
    assert (log.text("stdout"), log.text("stderr")) == ("out\n", "err\n")


def test_json_comes_back_through_a_file():
    outcome = run("shell", command='echo \'{"rows": [1, 2]}\' > "$CELERIAC_OUTPUT"')
    assert outcome == Done(output={"exit_code": 0, "json": {"rows": [1, 2]}})


def test_text_is_standard_output_without_its_last_newline():
    outcome = run("shell", command="printf 'a\\nb\\n'; echo no >&2", output="text")
    assert outcome == Done(output={"exit_code": 0, "text": "a\nb"})


def test_none_keeps_the_exit_code_only():
    outcome = run("shell", command="echo 1 > $CELERIAC_OUTPUT; exit 2", output="none", success_codes=[0, 2])
    assert outcome == Done(output={"exit_code": 2})


@pytest.mark.parametrize("text", ["{", "NaN", "[Infinity]"])
def test_a_file_that_is_not_json_fails(text):
    outcome = run("shell", command='printf %s "$T" > $CELERIAC_OUTPUT', env={"T": text})
    assert isinstance(outcome, Fail)
    assert "is not JSON" in outcome.message


@pytest.mark.parametrize("output", ["json", "text"])
def test_an_output_above_the_limit_fails(configure, output):
    configure(OUTPUT_MAX_BYTES=100)
    outcome = run("shell", command="printf %0200d 1 | tee $CELERIAC_OUTPUT", output=output)
    assert isinstance(outcome, Fail)
    assert outcome.reason is Reason.OUTPUT_TOO_LARGE


def test_exit_codes_decide():
    assert run("shell", command="exit 3") == Fail(message="The command ended: exit code 3")
    assert run("shell", command="echo bad >&2; exit 3") == Fail(message="The command ended: exit code 3: bad")
    assert run("shell", command="exit 99", skip_codes=[99]) == Skip()


def test_a_signal_is_named():
    outcome = run("shell", command="kill -9 $$")
    assert outcome == Fail(message="The command ended: killed by SIGKILL (signal 9)")
    outcome = run("shell", command="sh -c 'kill -SEGV $$' 2>/dev/null; exit $?")
    assert isinstance(outcome, Fail)
    assert "exit code 139 (128 + 11: SIGSEGV)" in outcome.message


@pytest.mark.parametrize("wrong", [{"shell": "/no/such/shell"}, {"cwd": "/no/such/directory"}])
def test_what_cannot_start_says_why(wrong):
    outcome = run("shell", command="true", **wrong)
    assert isinstance(outcome, Fail)
    assert "could not be started: [Errno 2] No such file" in outcome.message


def test_an_argument_that_is_too_long_says_so():
    outcome = run("shell", command="true", env={"BIG": "x" * 200_000})
    assert isinstance(outcome, Fail)
    assert "the variable BIG is longer than the system takes" in outcome.message
    outcome = run("shell", command="true", env={"NUL": "a\0b"})
    assert isinstance(outcome, Fail)
    assert "NUL" in outcome.message


def test_a_command_longer_than_an_argument_goes_through_a_file():
    outcome = run("shell", command="true " + "x" * 300_000 + "; echo ok", output="text")
    assert outcome == Done(output={"exit_code": 0, "text": "ok"})


def test_a_script_obeys_its_first_line():
    outcome = run("shell", script="#!/usr/bin/env python3\nprint(1 + 1)", output="text")
    assert outcome == Done(output={"exit_code": 0, "text": "2"})
    outcome = run("shell", script="a=1\necho $a", output="text")
    assert outcome == Done(output={"exit_code": 0, "text": "1"})
    outcome = run("shell", command="echo ${BASH_VERSION:+bash}", shell="/bin/bash", output="text")
    assert outcome == Done(output={"exit_code": 0, "text": "bash"})


def test_the_environment_is_the_tasks_own_and_no_more(monkeypatch, configure):
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    monkeypatch.setenv("LANG", "C.UTF-8")
    configure(SHELL_ENV=["PATH", "LANG"])
    source = 'import json, os; json.dump(dict(os.environ), open(os.environ["CELERIAC_OUTPUT"], "w"))'
    outcome = run("shell", script=f"#!{sys.executable}\n{source}", env={"DAY": "x y", "N": [1], "E": None})
    assert isinstance(outcome, Done)
    seen = outcome.output["json"]
    for noise in ("PWD", "SHLVL", "_", "OLDPWD", "LC_CTYPE", "__CF_USER_TEXT_ENCODING"):
        seen.pop(noise, None)
    assert seen.pop("PATH") == os.environ["PATH"]
    assert json.loads(seen.pop("CELERIAC_PARAMS")) == {"day": "2026-01-02"}
    assert seen.pop("CELERIAC_PROCESS")
    assert Path(seen.pop("CELERIAC_OUTPUT")).name == "output.json"
    assert seen == {
        "LANG": "C.UTF-8",
        "CELERIAC_DAG_ID": "daily",
        "CELERIAC_RUN_ID": "7",
        "CELERIAC_TASK_ID": "step",
        "CELERIAC_ATTEMPT": "2",
        "CELERIAC_LOGICAL_DATE": "",
        "CELERIAC_IDEMPOTENCY_KEY": "7:step",
        "DAY": "x y",
        "N": "[1]",
        "E": "",
    }


def test_the_scratch_directory_is_private_and_does_not_stay():
    outcome = run("shell", script='pwd; stat -c %a . "$0" ..', output="text")
    assert isinstance(outcome, Done)
    where, *modes = outcome.output["text"].split()
    assert modes == ["700", "700", "700"]
    assert not Path(where).parent.exists()


def test_the_directory_can_be_chosen(tmp_path):
    assert run("shell", command="pwd", cwd=str(tmp_path), output="text") == Done(
        output={"exit_code": 0, "text": str(tmp_path)}
    )
    assert stat.S_ISDIR(tmp_path.stat().st_mode)


def test_invalid_utf8_is_replaced_and_a_character_split_between_reads_is_not():
    log = Log()
    run("shell", command="printf '\\303'; sleep 0.1; printf '\\251\\377x'", log=log)
    assert log.text("stdout") == "é\ufffdx"


def test_standard_input_is_empty():
    assert run("shell", command="cat; echo end", output="text") == Done(output={"exit_code": 0, "text": "end"})


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"command": "a", "script": "b"},
        {"command": "a", "env": {"1A": "x"}},
        {"command": "a", "env": {"CELERIAC_RUN_ID": "x"}},
        {"command": "a", "success_codes": []},
        {"command": "a", "image": "x"},
    ],
)
def test_wrong_parameters_are_refused(wrong):
    with pytest.raises(ValueError, match="validation error"):
        run("shell", **wrong)
