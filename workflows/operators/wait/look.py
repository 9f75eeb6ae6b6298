"""One look of a wait: is it over, does it go on, or can it never end well."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from workflows.core.errors import RenderError
from workflows.core.outcome import Defer, Done, Fail, Json, Outcome
from workflows.core.spec import Moment
from workflows.operators import http, sql
from workflows.operators.base import Context
from workflows.operators.http.parameters import HttpParameters
from workflows.operators.sql.parameters import SqlParameters
from workflows.operators.wait.parameters import HttpLook, SqlLook, WaitParameters

SHARE = 0.8  # of the task's timeout that one look may take, so that the wait's end is told by the wait
Answer = dict[str, Json]


def run(ctx: Context[WaitParameters]) -> Outcome:
    """Begin to wait for a time, or look once whether the condition holds."""
    given = ctx.parameters
    if given.until is not None:
        return until(given.until, given)
    if given.for_ is not None:
        return Defer(until=given.for_, output={"seconds": given.for_}, message=f"waits for {given.for_:g} s")
    found = ask_http(ctx, given.http) if given.http is not None else ask_sql(ctx, given.sql)
    return judged(ctx, found)


def until(moment: Moment, given: WaitParameters) -> Outcome:
    """Wait for a moment; one that has passed is no wait."""
    at = moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=given.zone).astimezone(UTC)
    output = {"until": at.isoformat()}
    if at <= datetime.now(UTC):
        return Done(output=output)
    return Defer(until=at, output=output, message=f"waits until {at.isoformat()}")


def judged(ctx: Context[WaitParameters], found: Answer | Fail) -> Outcome:
    """The outcome of a look, from the answer or from what went wrong."""
    given = ctx.parameters
    if isinstance(found, Fail):
        if found.permanent or given.on_error == "fail":
            return found
        return again(ctx, found.message)
    try:
        over, why = holds(ctx, found)
    except RenderError as error:
        fail = Fail(message=f"expect: {error}")
        return fail if given.on_error == "fail" else again(ctx, fail.message)
    return Done(output={name: part for name, part in found.items() if name != "text"}) if over else again(ctx, why)


def holds(ctx: Context[WaitParameters], answer: Answer) -> tuple[bool, str]:
    """Whether an answer ends the wait, and if not, why not."""
    given = ctx.parameters
    if given.http is not None:
        status = answer["status"]
        if not HttpParameters(url="x", expected_status=given.http.expected_status).expects(status):
            return False, f"answered {status}"
    elif given.expect is None:
        value = answer["value"]
        said_no = isinstance(value, str) and value.strip().lower() in ("", "f", "false", "no", "0")
        return bool(value) and not said_no, f"the value is {json.dumps(value)[:100]}"
    if given.expect is None:
        return True, ""
    return ctx.evaluate(given.expect, {"answer": answer}), "expect is false"


def again(ctx: Context[WaitParameters], why: str) -> Defer:
    """Look again later."""
    ctx.log.write(f"not yet: {why}\n", stream="system")
    return Defer(until=ctx.parameters.every, message=f"not yet: {why}")


def ask_http(ctx: Context[Any], look: HttpLook) -> Answer | Fail:
    """The answer to the request, whatever its status."""
    request = HttpParameters(
        **look.model_dump(by_alias=True, exclude={"timeout", "expected_status", "auth"}),
        auth=look.auth,
        timeout=limited(look.timeout, ctx),
        expected_status=["1xx", "2xx", "3xx", "4xx", "5xx"],
        output="text",
    )
    outcome = http.OPERATOR.run(replace(ctx, parameters=request))
    if not isinstance(outcome, Done):
        return outcome if isinstance(outcome, Fail) else Fail(message=str(outcome))
    answer: Answer = outcome.output
    return {**answer, "json": parsed(answer["text"])}


def parsed(text: str) -> Json:
    """The JSON of an answer; null when it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def ask_sql(ctx: Context[Any], look: SqlLook | None) -> Answer | Fail:
    """The first row of the query, and its first value."""
    assert look is not None, "one of http and sql is given"
    query = SqlParameters(
        connection=look.connection,
        query=look.query,
        bind=look.bind,
        fetch="value",
        statement_timeout=limited(look.statement_timeout, ctx),
    )
    outcome = sql.OPERATOR.run(replace(ctx, parameters=query))
    if not isinstance(outcome, Done):
        return outcome if isinstance(outcome, Fail) else Fail(message=str(outcome))
    rows = outcome.output["rows"]
    return {"value": outcome.output["value"], "row": rows[0] if rows else None}


def limited(seconds: float, ctx: Context[WaitParameters]) -> float:
    """The time for one look: less than the whole wait may take."""
    return seconds if ctx.task.timeout is None else min(seconds, SHARE * ctx.task.timeout)
