"""Commands on documents, without any server: what is wrong is said with its place."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

FIVE = """\
id: five
tasks:
  a: {type: shell, command: "true", depends_on: [b]}
  b: {type: shell, command: "true", depends_on: [a]}
  c: {type: shell, command: "true", depends_on: [nowhere]}
  d: {type: shell, command: "echo {{ params. }}"}
  e: {type: shel, command: "true"}
  c: {type: shell, command: "false"}
"""
CODES = {"cycle", "unknown_upstream", "bad_expression", "unknown_type", "duplicate_id"}


def manage(*arguments: str, home: Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command where no server answers."""
    nowhere = {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "CELERIAC_HOME": str(home),
    }
    return subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), *arguments],
        cwd=cwd,
        env=os.environ | nowhere | {"DJANGO_SETTINGS_MODULE": "orchestrator.settings"},
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def five(tmp_path: Path) -> Path:
    """A document with five different problems."""
    path = tmp_path / "five.yaml"
    path.write_text(FIVE)
    return path


def test_validate_lists_every_problem_with_its_place(five: Path, tmp_path: Path) -> None:
    done = manage("dag_validate", str(five), home=tmp_path)
    assert done.returncode == 1
    lines = done.stdout.strip().splitlines()
    assert {line.rsplit("[", 1)[1].rstrip("]") for line in lines} == CODES
    assert all(line.startswith(f"{five}:") and line.split(":")[1].isdigit() for line in lines), lines
    cycle = next(line for line in lines if line.endswith("[cycle]"))
    assert "a → b → a" in cycle
    assert "pools were not checked" in done.stderr


def test_validate_takes_directories_and_patterns(tmp_path: Path) -> None:
    (tmp_path / "dags/deep").mkdir(parents=True)
    for name in ("a.yaml", "b.YML", "deep/c.json", "notes.txt"):
        (tmp_path / "dags" / name).write_text(
            f'{{"id": "{name[0]}", "tasks": {{"t": {{"type": "shell", "command": "x"}}}}}}'
        )
    done = manage("dag_validate", "dags/**/*", "dags", "dags/a.yaml", home=tmp_path, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == [
        "dags/a.yaml",
        "dags/b.YML",
        "dags/deep/c.json",
    ]
    for given, sentence in (
        ("dags/*.toml", "No .yaml, .yml or .json file matches dags/*.toml."),
        ("nowhere/x.yaml", "nowhere/x.yaml cannot be read: No such file or directory."),
        (".", "There is no .yaml, .yml or .json file in .."),
    ):
        assert manage("dag_validate", given, home=tmp_path, cwd=tmp_path).stderr.splitlines()[-1] == sentence


def test_validate_as_json(five: Path, tmp_path: Path) -> None:
    done = manage("dag_validate", str(five), "--json", home=tmp_path)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert {problem["code"] for problem in found} == CODES
    assert all(problem["file"] == str(five) and problem["line"] for problem in found)


def test_validate_and_explain_need_no_server(tmp_path: Path) -> None:
    document = ROOT / "examples/repository_report.yaml"
    checked = manage("dag_validate", str(document), home=tmp_path)
    assert (checked.returncode, checked.stdout) == (0, f"{document}: repository_report, 17 tasks: no problems\n")
    explained = manage("dag_explain", str(document), home=tmp_path)
    assert explained.returncode == 0, explained.stderr
    assert "repository_report: 17 tasks" in explained.stdout


def test_explain_refuses_a_document_with_problems(five: Path, tmp_path: Path) -> None:
    done = manage("dag_explain", str(five), home=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.strip().splitlines()) == len(CODES)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["dag_list"], "The database cannot be reached: "),
        (["run_show", "1"], "The database cannot be reached: "),
        (["dag_run", "x", "--wait"], "The database cannot be reached: "),
        (["dag_import", "missing.yaml"], "missing.yaml cannot be read: No such file or directory."),
        (["dag_validate", "missing.yaml"], "missing.yaml cannot be read: No such file or directory."),
        (["dag_explain", "missing.yaml"], "missing.yaml cannot be read: No such file or directory."),
        (["dag_run"], "Name either a DAG or a --file."),
        (["reconcile", "--interval", "0"], "--interval must be more than 0 seconds."),
    ],
)
def test_a_refusal_is_a_sentence(arguments: list[str], said: str, tmp_path: Path) -> None:
    done = manage(*arguments, home=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(said)
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_doctor_names_what_is_missing(tmp_path: Path) -> None:
    done = manage("doctor", home=tmp_path)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    failed = [line for line in lines if line.startswith("FAIL")]
    assert [line.split(":")[0].split()[1] for line in failed] == ["database", "broker"]
    assert "Start PostgreSQL" in done.stdout
    assert done.stderr == "Not well: database, broker.\n"


def test_each_command_has_help_with_an_example(tmp_path: Path) -> None:
    names = sorted(path.stem for path in (ROOT / "workflows/management/commands").glob("[a-z]*.py"))
    assert len(names) > 15
    # One process for all: starting fifteen would take half a minute.
    script = (
        "import django, sys; django.setup()\n"
        "from django.core.management import load_command_class\n"
        "for name in sys.argv[1:]:\n"
        "    parser = load_command_class('workflows', name).create_parser('manage.py', name)\n"
        "    print(name, 'Example:' in parser.format_help() and f'manage.py {name}' in parser.epilog)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *names],
        cwd=ROOT,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "orchestrator.settings", "CELERIAC_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == [f"{name} True" for name in names], done.stderr
