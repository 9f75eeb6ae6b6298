"""A value stays one piece of data wherever it stands, or is refused: real shells judge."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.unit.operators.fakes import context, run
from workflows.core.outcome import Done, Fail
from workflows.operators.shell_quoting import Unquotable, enclose, interprets, quote

HOSTILE = [
    "plain",
    "two words",
    "$(echo PWNED)",
    "`echo PWNED`",
    "'; echo PWNED; '",
    '"; echo PWNED; "',
    "\\",
    "a\nb",
    "",
    "$HOME",
    "'\"'$(echo PWNED)",
    "\\$(echo PWNED)",
    "* ?",
    "é☃",
    "#c",
    '\\"; echo PWNED; "',
    "-n",
]
EXACT = [  # templates in which any value must come out as it went in
    "printf '%s' {}",
    "printf '%s' \"{}\"",
    "printf '%s' '{}'",
    "x={}; printf '%s' \"$x\"",
    "y=$(echo z); printf '%s' \"{}\"",
    "printf '%s' \"$(printf %s a >/dev/null)\"{}",
    "echo \"it's\" > /dev/null # don't\nprintf '%s' {}",
    'echo "$#" "${HOME}" > /dev/null; printf "%s" {}',
    'printf "%s" "$(printf "" "a")"{}',
]
UNSURE = [  # templates in which only plain values are let in
    "cat <<EOF\n{}\nEOF",
    "printf '%s' `printf %s {}`",
    "printf '%s' \"${HOME:+{}}\"",
    "printf '%s' \\{}",
    "true # {}",
    "printf '%s' $'{}'",
    "printf '%s' \"$(case a in a) printf %s {} ;; esac)\"",
    "printf '%s' \"$(printf '%s' x{})\"",
    "echo $(( {} + 1 ))",
]
SHELLS = [shell for shell in ("dash", "bash", "ksh", "zsh") if shutil.which(shell)]


def filled(template: str, value: object) -> str:
    before, after = template.split("{}", 1)
    return quote(before + enclose(value) + after)


def output(shell: str, text: str) -> str:
    done = subprocess.run([shell, "-c", text], capture_output=True, text=True, check=False)
    return done.stdout


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("template", EXACT[:-1])
def test_a_value_comes_out_as_it_went_in(shell, template):
    for value in HOSTILE:
        assert output(shell, filled(template, value)) == value


@pytest.mark.parametrize("template", [*UNSURE, EXACT[-1]])
def test_where_quotes_cannot_be_known_only_plain_values_are_let_in(template):
    assert "2026-01-02" in filled(template, "2026-01-02")
    for value in ("two words", "$(echo PWNED)", "'", "a\nb", "`x`", "a;b"):
        with pytest.raises(Unquotable, match="hand it over in `env`"):
            filled(template, value)


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="a '\"\\$`(){}<>#\n;&|*-~!=", max_size=12), st.sampled_from(EXACT[:-1]))
def test_any_value_comes_out_as_it_went_in(value, template):
    assert output("/bin/sh", filled(template, value)) == value


BOOM = "boom() { printf PWNED; }\n"
ATTACK = "';\"; $(boom) `boom` ;boom; '\nboom\n#"


@example(before="($)#", after="")
@example(before="$(a)#'\n", after="")
@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="a'\"\\$`(){}<#\n; ", max_size=14), st.text(alphabet="a'\"\\$`(){}<#\n; ", max_size=6))
def test_in_any_text_a_value_is_quoted_or_refused_but_never_run(before, after):
    try:
        text = quote(before + enclose(ATTACK) + after)
    except Unquotable:
        return
    assert "PWNED" not in output("/bin/sh", BOOM + text)


def test_the_test_above_sees_what_plain_quoting_lets_through():
    assert "PWNED" in output("/bin/sh", BOOM + f"printf '%s' \"{shlex.quote(ATTACK)}\"")


def test_values_of_every_kind():
    template = "printf '%s' {}"
    assert output("/bin/sh", filled(template, None)) == ""
    assert output("/bin/sh", filled(template, True)) == "true"
    assert output("/bin/sh", filled(template, 1.5)) == "1.5"
    assert output("/bin/sh", filled(template, {"a": ["b c"]})) == '{"a": ["b c"]}'


@pytest.mark.parametrize(
    ("interpreter", "known"),
    [
        (["/bin/sh"], True),
        (["/usr/bin/env", "bash -e"], True),
        (["/usr/bin/env", "-S A=1 dash"], True),
        (["/bin/bash", "-eu"], True),
        (["/usr/bin/env", "python3"], False),
        (["/usr/bin/perl"], False),
        ([], False),
    ],
)
def test_which_interpreters_quoting_is_known(interpreter, known):
    assert interprets(interpreter) is known


def test_the_shell_type_quotes_and_refuses():
    hostile = enclose("$(echo PWNED)")
    assert run("shell", command=f'echo "only {hostile} rows"', output="text") == Done(
        output={"exit_code": 0, "text": "only $(echo PWNED) rows"}
    )
    assert run("shell", script=f"echo 'only {hostile} rows'", output="text") == Done(
        output={"exit_code": 0, "text": "only $(echo PWNED) rows"}
    )
    outcome = run("shell", script=f"#!/usr/bin/env python3\nprint({hostile})")
    assert isinstance(outcome, Fail)
    assert outcome.permanent
    assert context("shell", command=hostile).parameters.command == hostile
