from __future__ import annotations

import pytest

from tests.unit.operators.fakes import Log, SoftLimit, run
from workflows.core.outcome import Done, Fail, Retry, Skip
from workflows.core.states import Reason

STEPS = "tests.unit.operators.sample_steps"


@pytest.fixture(autouse=True)
def _allowed(configure):
    configure(PYTHON_MODULES=[STEPS])


def test_a_callable_gets_its_arguments_and_returns_the_output():
    assert run("python", callable=f"{STEPS}:add", args=[1], kwargs={"b": 2}) == Done(output={"sum": 3})


def test_a_coroutine_function_and_a_static_method_are_callables():
    assert run("python", callable=f"{STEPS}:later", args=["x"]) == Done(output="x")
    assert run("python", callable=f"{STEPS}:Steps.one") == Done(output=1)


def test_a_callable_that_asks_for_the_context_gets_it_as_plain_json():
    outcome = run("python", callable=f"{STEPS}:whoami")
    assert isinstance(outcome, Done)
    assert outcome.output["run"]["dag_id"] == "daily"
    assert outcome.output["task"]["idempotency_key"] == "7:step"
    assert outcome.output["tasks"] == {"before": {"state": "success", "output": {"rows": 3}}}


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("os:getcwd", "'os' is not in the setting"),
        ("tests.unit.operators.sample_steps_x:add", "not in the setting"),
        (f"{STEPS}:getcwd", "is defined in 'posix'"),
        (f"{STEPS}:sys.exit", "is defined in 'sys'"),
        (f"{STEPS}:sneaky", "is defined in 'functools'"),
        (f"{STEPS}:NOT_CALLABLE", "is not callable"),
        (f"{STEPS}:missing", "has no 'missing'"),
        (f"{STEPS}:a.b.c", "is not of the form"),
        ("add", "is not of the form"),
        (f"{STEPS}:add()", "is not of the form"),
    ],
)
def test_what_is_not_allowed_is_refused_and_not_retried(reference, why):
    outcome = run("python", callable=reference)
    assert isinstance(outcome, Fail)
    assert why in outcome.message
    assert outcome.permanent
    assert outcome.reason is Reason.BAD_INPUT


def test_a_refused_module_is_not_even_imported():
    import sys

    assert "antigravity" not in sys.modules
    run("python", callable="antigravity:geohash")
    assert "antigravity" not in sys.modules


def test_user_code_can_speak():
    assert run("python", callable=f"{STEPS}:speak", args=["skip"]) == Skip()
    assert run("python", callable=f"{STEPS}:speak", args=["fail"]) == Fail(message="no good", permanent=True)
    assert run("python", callable=f"{STEPS}:speak", args=["retry"]) == Retry(message="come back", after=30)
    assert run("python", callable=f"{STEPS}:speak", args=["exit"]) == Fail(message="SystemExit: 3")
    assert run("python", callable=f"{STEPS}:speak", args=["exit ok"]) == Done()


def test_any_other_exception_fails_the_task_and_its_traceback_is_in_the_log():
    log = Log()
    assert run("python", callable=f"{STEPS}:speak", args=["?"], log=log) == Fail(message="KeyError: '?'")
    assert "Traceback" in log.text("stderr")
    assert "sample_steps.py" in log.text("stderr")
    assert "operators/python/call.py" not in log.text("stderr")


def test_the_workers_own_exceptions_pass_through():
    with pytest.raises(SoftLimit):
        run("python", callable=f"{STEPS}:speak", args=["soft"])
    with pytest.raises(SystemExit):
        run("python", callable=f"{STEPS}:speak", args=["pool exit"])


@pytest.mark.parametrize("what", ["nan", "object"])
def test_an_output_that_is_not_json_is_a_clear_failure(what):
    outcome = run("python", callable=f"{STEPS}:speak", args=[what])
    assert isinstance(outcome, Fail)
    assert "is not JSON" in outcome.message


@pytest.mark.parametrize(
    "wrong", [{}, {"callable": "a:b", "script": "x"}, {"callable": "a:b", "env": {"A": "b"}}, {"skript": "x"}]
)
def test_parameters_are_a_callable_or_a_script(wrong):
    with pytest.raises(ValueError, match=r"callable|Extra"):
        run("python", **wrong)


def test_a_script_is_refused_when_they_are_switched_off(configure):
    configure(PYTHON_INLINE=False)
    outcome = run("python", script="output = 1")
    assert isinstance(outcome, Fail)
    assert "PYTHON_INLINE" in outcome.message


def test_a_script_gets_arguments_and_context_and_sets_output():
    log = Log()
    source = "print('hello', args)\noutput = {'n': kwargs['n'] + 1, 'run': context['run']['id']}"
    assert run("python", script=source, args=["a"], kwargs={"n": 1}, log=log) == Done(output={"n": 2, "run": 7})
    assert log.text("stdout") == "hello ['a']\n"


def test_a_script_may_write_the_output_file_itself():
    source = "import os\nopen(os.environ['CELERIAC_OUTPUT'], 'w').write('[1]')"
    assert run("python", script=source) == Done(output=[1])


def test_a_script_without_output_is_done():
    assert run("python", script="pass") == Done()


@pytest.mark.parametrize(
    ("source", "outcome"),
    [
        ("raise TaskSkipped()", Skip()),
        ("raise TaskFailed('no', permanent=True)", Fail(message="no", permanent=True)),
        ("raise RetryLater(5, 'soon')", Retry(message="soon", after=5)),
        ("1/0", Fail(message="ZeroDivisionError: division by zero")),
        ("import sys; sys.exit(4)", Fail(message="The script ended: exit code 4")),
        (
            "import os; os.kill(os.getpid(), 9)",
            Fail(message="The script ended: killed by SIGKILL (signal 9)"),
        ),
    ],
)
def test_how_a_script_ends_decides(source, outcome):
    assert run("python", script=source) == outcome


def test_a_scripts_traceback_begins_in_the_script_and_shows_its_lines():
    log = Log()
    run("python", script="def f():\n    return 1 / 0\nf()", log=log)
    assert 'File "script", line 2, in f\n    return 1 / 0' in log.text("stderr")
    assert "prelude" not in log.text("stderr")


def test_a_script_sees_no_secret_of_the_worker(monkeypatch):
    monkeypatch.setenv("DATABASE_URL", "postgresql://secret")
    outcome = run("python", script="import os\noutput = sorted(os.environ)")
    assert isinstance(outcome, Done)
    assert "DATABASE_URL" not in outcome.output
    assert "CELERIAC_RUN_ID" in outcome.output


def test_a_scripts_output_must_be_json():
    outcome = run("python", script="output = {1, 2}")
    assert isinstance(outcome, Fail)
    assert "`output` (set) is not JSON" in outcome.message
