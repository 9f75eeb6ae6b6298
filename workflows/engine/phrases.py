"""The engine's own sentences in the reader's language.

The engine speaks English: its sentences are in events, in logs, in the API. Here each of their patterns has its
translation in the catalogue. A sentence that fits no pattern is shown as it is.

In a pattern, what is called `state…` is a stored word, what is called `rest…` is a sentence again, and everything else
is a name or a number.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from django.utils.translation import get_language, gettext
from django.utils.translation import gettext_noop as _

from workflows.core.errors import CeleriacError, text_of
from workflows.models import words

GATES = {
    "dag": _("DAG"),
    "paused": _("pause"),
    "turn": _("turn"),
    "upstreams": _("upstream tasks"),
    "branch": _("branch"),
    "retry": _("retry"),
    "deferred": _("wait"),
    "limits": _("limits"),
    "broker": _("broker"),
    "workers": _("workers"),
    "message": _("message"),
    "running": _("at work"),
    "settled": _("settled"),
    "tasks": _("tasks"),
    "end": _("end"),
}

# More particular ones first: the first that fits is taken.
PATTERNS = (
    _("no message has to reach it"),
    _("the broker does not answer: messages are sent when it is back"),
    _("the broker answers; {count} in queue {queue}"),
    _("no worker has to be found for it"),
    _("no live worker takes queue {queue} ({names}): start one with `-Q {name}`"),
    _("no live worker takes queue {queue}: start one with `-Q {name}`"),
    _("every process of {names} is busy ({busy} of {size})"),
    _("{names} takes queue {queue}, with {busy} of {size} processes busy"),
    _("it needs no message"),
    _("it was {state} {time} ago: a worker is about to take it"),
    _("it was {state} {time} ago and was not taken: others are before it in the queue, or the reconciler sends it "
      "again when it finds the message gone"),
    _("it was {state} {time} ago and was not taken; if its message was lost nobody sends it again, as no reconciler "
      "sweeps ({why})"),
    _("it does not run now"),
    _("attempt {number} runs since {time} on {node}, but its lease is over since {over}"),
    _("attempt {number} runs since {time} on {node}, heard of {heard} ago; its lease holds until {until}"),
    _("attempt {number} runs since {time} on {node}; its lease holds until {until}"),
    _("{name} was deleted; its runs go on"),
    _("{name} is paused: no new runs; those that exist go on"),
    _("{name} takes new runs"),
    _("run {id} has ended as {state}"),
    _("run {id} has started {time} ago"),
    _("run {id} is to start: the reconciler starts it at its next sweep"),
    _("run {id} waits for its turn: max_active_runs is {limit}, and {names} go on; {count} pending before it"),
    _("run {id} waits for its turn: max_active_runs is {limit}, and {names} go on"),
    _("the run is not paused"),
    _("the run is paused since {since}: what runs goes on, nothing starts until it is resumed"),
    _("no limit holds it"),
    _("it is subject to no limit"),
    _("the limits let it through ({told})"),
    _("the limits let it through"),
    _("it is held, though there is room ({told}): the next sweep lets it through"),
    _("it waits for room: {told}; what holds it is {names}"),
    _("a pause of the run does not hold it any more"),
    _("it is an item of a mapped task, and waits for no task by itself"),
    _("it has no upstream tasks"),
    _("of its {count} upstreams, enough have settled for {rule}"),
    _("of its {count} upstream, enough have settled for {rule}"),
    _("its upstreams have settled and {rule} makes it {state}: the reconciler moves it at its next sweep"),
    _("it waits for {n} of {count} upstreams ({rule}): {names}"),
    _("it waits for {n} of {count} upstream ({rule}): {names}"),
    _("it is {state}, since its rule {rule} can no longer be met: {names}"),
    _("it is {state}, since its rule was not met: no upstream ended as it asks"),
    _("no branch leaves it out"),
    _("a branch was taken that leaves it out"),
    _("{name} chose {chosen}, not this task"),
    _("it waits for no retry"),
    _("attempt {number} failed ({state}), {n} of {most} tries are used; the next is due in {time}, at {at}"),
    _("attempt {number} failed ({state}), {n} of {most} tries are used; the next is due since {time}, and the "
      "reconciler is about to see it"),
    _("it is not deferred"),
    _("it waits for its items: {done} of {count} have settled ({counts})"),
    _("it waits for run {id} of {dag}, which is {state}"),
    _("it waits for an answer from whoever may operate runs, since {since}"),
    _("it waits for an answer from {names}, since {since}"),
    _("waits for an answer of anyone who may operate runs"),
    _("waits for an answer of {names}"),
    _("waited for its timeout of {seconds} s"),
    _("it waits ({message}) for something outside, and is woken from there"),
    _("it waits for something outside, and is woken from there"),
    _("it waits ({message}) for {time} more, until {until}"),
    _("it waits for {time} more, until {until}"),
    _("it has not settled"),
    _("it succeeded at {at}"),
    _("it succeeded"),
    _("it ended as {state} ({state_why}) at {at}: {message}"),
    _("it ended as {state} ({state_why}) at {at}"),
    _("it ended as {state} at {at}: {message}"),
    _("it ended as {state} at {at}"),
    _("its tasks have settled"),
    _("every task has settled: the reconciler ends the run at its next sweep"),
    _("it works: {counts}"),
    _("no task runs: {counts}. {name}: {rest}"),
    _("no task runs: {counts}"),
    _("the run goes on"),
    _("the run succeeded at {at}"),
    _("the run ended as {state} at {at}: {names} failed"),
    _("the run ended as {state} at {at}"),
    _("each of its items has inputs of its own"),
    _("the plan of this version is of another release"),
    _("did not end within its timeout of {seconds} s"),
    _("the parameters could not be made ready: {rest}"),
    _("the outcome could not be written: {rest}"),
    _("{name} cannot be rendered: {rest}"),
    _("{rest}, and the reconciler is about to see it"),
    _("{rest}, and no reconciler is there to see it ({why}): start `manage.py reconcile --forever`"),
)  # fmt: skip

# What a code of a problem means, for those who do not read the English message.
PROBLEMS = {
    "bad_callback": _("The callback is not complete, or its address is none."),
    "bad_character": _("There is a character that cannot be read or stored."),
    "bad_datetime": _("This is not a date, or a date and time, in ISO form."),
    "bad_default": _("The default does not fit the parameter's own declaration."),
    "bad_duration": _("This is not a duration."),
    "bad_expression": _("The condition or template cannot be read, or uses what is not available."),
    "bad_foreach": _("The task cannot be mapped over this."),
    "bad_format": _("The value does not have the declared format."),
    "bad_id": _("The id or name has characters that are not allowed."),
    "bad_key": _("A key is not a text."),
    "bad_pattern": _("The pattern is not a regular expression."),
    "bad_quantity": _("This is not a quantity of bytes or cores."),
    "bad_schedule": _("This makes no schedule."),
    "bad_value": _("The value is none of those to choose from, or the task type refuses it."),
    "conflict": _("The same thing is said twice, or in contradiction."),
    "cycle": _("The tasks wait for each other."),
    "duplicate_id": _("Two tasks have one id."),
    "duplicate_key": _("The key is given twice."),
    "missing_field": _("A field that has to be there is not."),
    "missing_param": _("The run was not given a parameter that it needs."),
    "not_finite": _("The number is infinite, or none."),
    "not_upstream": _("The expression refers to a task that may not have run by then."),
    "out_of_range": _("The value is too small, too large, too short or too long."),
    "self_dependency": _("The task waits for itself."),
    "subdag_recursion": _("The DAG would run inside itself."),
    "syntax": _("The text is not YAML, JSON or UTF-8."),
    "too_deep": _("It is nested too deeply."),
    "too_large": _("It has more bytes than are allowed."),
    "too_many_edges": _("There are more dependencies than are allowed."),
    "too_many_tasks": _("There are more tasks than are allowed."),
    "unknown_branch_target": _("The branch goes on with a task that does not exist."),
    "unknown_dag": _("The DAG does not exist."),
    "unknown_field": _("The field does not exist."),
    "unknown_name": _("The expression uses a name that is not there."),
    "unknown_param": _("The parameter is not declared."),
    "unknown_pool": _("The pool does not exist."),
    "unknown_task": _("The task does not exist."),
    "unknown_trigger_rule": _("The trigger rule does not exist."),
    "unknown_type": _("The task type does not exist."),
    "unknown_upstream": _("The task waits for one that does not exist."),
    "unsafe_place": _("The template puts a value where it could become structure, code or an expression."),
    "wrong_type": _("The value is of another type than it has to be."),
    "unsupported_tag": _("The YAML tag is not supported."),
}


def said(sentence: str) -> str:
    """A sentence of the engine in the reader's language."""
    if not sentence or _english():
        return sentence
    for pattern, regex in _regexes():
        if found := regex.fullmatch(sentence):
            return gettext(pattern).format(**{name: _part(name, text) for name, text in found.groupdict().items()})
    return sentence


def error(raised: CeleriacError) -> str:
    """What an error says, in the reader's language."""
    if _english():
        return str(raised)
    try:
        return gettext(text_of(type(raised))).format(**raised.facts)
    except (KeyError, ValueError):  # a class that says it in its own way
        return str(raised)


def gate(name: str) -> str:
    """What a gate is called."""
    return gettext(GATES[name]) if name in GATES else name


def problem(code: str) -> str:
    """What a code means, for readers of other languages than English; "" for those who read the message itself."""
    return "" if _english() or code not in PROBLEMS else gettext(PROBLEMS[code])


def _english() -> bool:
    return (get_language() or "en").startswith("en")


def _part(name: str, text: str) -> str:
    if name.startswith("state"):
        return str(words.of(text))
    return said(text) if name.startswith("rest") else text


@cache
def _regexes() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((pattern, re.compile("".join(_pieces(pattern)), re.DOTALL)) for pattern in PATTERNS)


def _pieces(pattern: str) -> Iterator[str]:
    for piece in re.split(r"(\{\w+\})", pattern):
        yield f"(?P<{piece[1:-1]}>.+?)" if piece.startswith("{") and piece.endswith("}") else re.escape(piece)
