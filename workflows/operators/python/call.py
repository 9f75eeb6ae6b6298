"""Call a function of an allowed package, in the worker's own process."""

from __future__ import annotations

import asyncio
import inspect
import json
import re
import traceback
from collections.abc import Callable
from importlib import import_module
from typing import Any

from workflows.conf import conf
from workflows.core.outcome import Done, Fail, Json, Outcome, Retry, Skip
from workflows.core.states import Reason
from workflows.operators.base import Context, RetryLater, TaskFailed, TaskSkipped
from workflows.operators.python.parameters import PythonParameters

CONTEXT_PARAMETER = "celeriac_context"
REFERENCE = re.compile(r"(?P<module>[A-Za-z_]\w*(\.[A-Za-z_]\w*)*):(?P<name>[A-Za-z_]\w*(\.[A-Za-z_]\w*)?)")


class Refused(Exception):
    """The callable may not be called, or cannot be found; the message says why."""


def run(ctx: Context[PythonParameters]) -> Outcome:
    """Resolve, call, and turn what comes back, or up, into an outcome."""
    try:
        function = resolve(ctx.parameters.callable or "")
    except Refused as error:
        return Fail(message=str(error), reason=Reason.BAD_INPUT, permanent=True)
    except ctx.interrupts:
        raise
    except Exception as error:
        return _failed(ctx, error, f"{ctx.parameters.callable} cannot be imported: ")
    try:
        return done(_call(ctx, function))
    except ctx.interrupts:
        raise
    except TaskSkipped as error:
        ctx.log.write(f"skipped: {error.message}\n", stream="stderr")
        return Skip()
    except RetryLater as error:
        return Retry(message=error.message, after=error.after)
    except TaskFailed as error:
        return Fail(message=error.message, permanent=error.permanent)
    except SystemExit as error:
        return _exited(error)
    except Exception as error:
        return _failed(ctx, error)


def resolve(reference: str) -> Callable[..., Any]:
    """The callable a reference names, checked before its module is imported and again on what was found.

    An allowed module that merely imported `os.system` does not make it callable: the callable itself must
    have been defined in an allowed package.
    """
    match = REFERENCE.fullmatch(reference)
    if not match:
        raise Refused(f"{reference!r} is not of the form package.module:function")
    if not allowed(match["module"]):
        raise Refused(f"{match['module']!r} is not in the setting PYTHON_MODULES{_known()}")
    found: Any = import_module(match["module"])
    for name in match["name"].split("."):
        try:
            found = getattr(found, name)
        except AttributeError:
            raise Refused(f"{match['module']!r} has no {match['name']!r}") from None
    if not callable(found):
        raise Refused(f"{reference!r} is not callable")
    home = getattr(found, "__module__", None)
    if not isinstance(home, str) or not allowed(home):
        raise Refused(f"{reference!r} is defined in {home!r}, which is not in the setting PYTHON_MODULES{_known()}")
    function: Callable[..., Any] = found
    return function


def allowed(module: str) -> bool:
    """Whether a module is one of, or inside one of, PYTHON_MODULES."""
    return any(module == name or module.startswith(f"{name}.") for name in conf.PYTHON_MODULES)


def _known() -> str:
    return f" (it has {', '.join(conf.PYTHON_MODULES)})" if conf.PYTHON_MODULES else " (which is empty)"


def _call(ctx: Context[PythonParameters], function: Callable[..., Any]) -> Any:
    kwargs = dict(ctx.parameters.kwargs)
    if _wants_context(function):
        kwargs[CONTEXT_PARAMETER] = ctx.plain()
    result = function(*ctx.parameters.args, **kwargs)
    return asyncio.run(_awaited(result)) if inspect.isawaitable(result) else result


async def _awaited(result: Any) -> Any:
    return await result


def _wants_context(function: Callable[..., Any]) -> bool:
    try:
        return CONTEXT_PARAMETER in inspect.signature(function).parameters
    except (TypeError, ValueError):  # some C functions have no signature
        return False


def done(value: Any) -> Outcome:
    """Success with this output, as the plain JSON it will be stored as; a failure if it is not JSON."""
    try:
        plain: Json = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        kind = type(value).__name__
        return Fail(message=f"The return value ({kind}) is not JSON: {error}", permanent=True)
    return Done(output=plain)


def _exited(error: SystemExit) -> Outcome:
    """sys.exit in a callable means what it means to a program; the pool's own exits (negative) go on up."""
    code = error.code
    if code is None or code == 0:
        return Done()
    if isinstance(code, int) and code < 0:
        raise error
    return Fail(message=f"SystemExit: {code}")


def _failed(ctx: Context[PythonParameters], error: Exception, prefix: str = "") -> Fail:
    frames = traceback.TracebackException.from_exception(error)
    inner = [frame for frame in frames.stack if frame.filename != __file__]
    frames.stack = traceback.StackSummary.from_list(inner)
    ctx.log.write("".join(frames.format()), stream="stderr")
    return Fail(message=f"{prefix}{type(error).__name__}: {error}")
