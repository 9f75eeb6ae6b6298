"""The Jinja2 environment of templates and conditions: plain data in, bounded data out.

Jinja's sandbox hides Python's internals; on top of it this environment allows by list instead of forbidding
by list (attributes, methods, filters, tests, statements), and bounds every operation whose result can be much
larger than its operands. Endless loops are left to the worker's time limit.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from datetime import date, timedelta
from typing import Any

from jinja2 import StrictUndefined, Undefined, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.exceptions import SecurityError
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment, safe_range
from jinja2.tests import TESTS
from jinja2.utils import pass_context

from workflows.core import filters, plain

QUOTE = " quote "  # context key of what every value passes on its way into a text; no template can name it
MAX_BITS = 4096  # of an integer that a product or a power may make

FORBIDDEN_NODES: dict[type[nodes.Node], str] = {
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
    nodes.Extends: "extends",
    nodes.Block: "block",
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "from",
    nodes.AssignBlock: "set without a value",
    nodes.FilterBlock: "filter",
}
EXPRESSION_NODES = (nodes.Expr, nodes.Helper, nodes.Template, nodes.Output, nodes.TemplateData)

_TEST_NAMES = """
defined undefined none boolean true false integer float number string mapping sequence iterable odd even in
divisibleby eq equalto == ne != gt greaterthan > ge >= lt lessthan < le <=
"""
_TEXT_METHODS = """
lower upper strip lstrip rstrip split rsplit splitlines startswith endswith title capitalize find count
isdigit removeprefix removesuffix
"""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_LOOP = _words("index index0 revindex revindex0 first last length previtem nextitem cycle changed")
_MOMENT = _words("year month day hour minute second weekday isoweekday isoformat strftime date")
_LAPSE = _words("days seconds total_seconds")
_METHODS: dict[type, dict[str, Callable[..., Any]]] = {
    dict: {"get": dict.get, "items": dict.items, "keys": dict.keys, "values": dict.values},
    list: {"count": list.count, "index": list.index},
    str: {"replace": filters.replace} | {name: getattr(str, name) for name in _words(_TEXT_METHODS)},
}


class _Method:
    """A method of a plain value: beside `range`, the only kind of thing that a template may call."""

    __slots__ = ("function", "owner")

    def __init__(self, function: Callable[..., Any], owner: object) -> None:
        self.function = function
        self.owner = owner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.function(self.owner, *args, **kwargs)


class _BoundedCode(CodeGenerator):
    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        """`a ~ b`, joined with a bound: Jinja's own join has none and cannot be intercepted."""
        self.write("environment.joined((")
        for part in node.nodes:
            self.visit(part, frame)
            self.write(", ")
        self.write("))")


class Sandbox(ImmutableSandboxedEnvironment):
    """See the module's docstring."""

    code_generator_class = _BoundedCode
    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self) -> None:
        super().__init__(
            undefined=StrictUndefined,
            autoescape=False,
            optimized=False,  # or checking the syntax would already compute constant expressions
            keep_trailing_newline=True,
            finalize=_finalize,
            cache_size=0,
            comment_start_string="\0{#",  # no comments: "${#name}" is common in shell scripts
            comment_end_string="#}\0",
        )
        self.globals = {"range": safe_range}
        self.filters = dict(filters.FILTERS)
        self.tests = {name: TESTS[name] for name in _words(_TEST_NAMES)}

    def getattr(self, obj: Any, attribute: str) -> Any:
        """A key of a mapping, or one of the few attributes and methods that are allowed."""
        if isinstance(obj, Mapping) and attribute in obj:
            return obj[attribute]
        if isinstance(obj, Undefined):
            return obj._fail_with_undefined_error()
        for kind, methods in _METHODS.items():
            if isinstance(obj, kind) and attribute in methods:
                return _Method(methods[attribute], obj)
        for allowed, kinds in ((_LOOP, LoopContext), (_MOMENT, date), (_LAPSE, timedelta)):
            if isinstance(obj, kinds) and attribute in allowed:
                found = getattr(obj, attribute, self.undefined(obj=obj, name=attribute))
                return _Method(_call, found) if callable(found) and not isinstance(found, Undefined) else found
        return self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """An item of a mapping, a list or a text; never an attribute."""
        if isinstance(obj, Undefined):
            return obj._fail_with_undefined_error()
        if isinstance(obj, (Mapping, list, tuple, str)):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                return self.undefined(obj=obj, name=argument)
        return self.undefined(obj=obj, name=argument)

    def is_safe_callable(self, obj: Any) -> bool:
        """Whether the object is one that this environment made callable; calling the undefined says so."""
        return isinstance(obj, (_Method, Undefined)) or obj is safe_range

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """An operator whose result may be large, after a look at its operands."""
        _check_size(operator, left, right)
        return _BINOPS[operator](left, right)

    def joined(self, parts: tuple[Any, ...]) -> str:
        """The texts of values, one after the other."""
        return plain.bounded_join("", parts)


def _call(found: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    return found(*args, **kwargs)


@pass_context
def _finalize(context: Context, value: Any) -> str:
    # pass_context keeps Jinja from calling this while it compiles.
    quote: Callable[[str | None], str] | None = context.get(QUOTE)
    if quote is None:
        return plain.text_of(value)
    return quote(None if value is None else plain.text_of(value))


_BINOPS: dict[str, Callable[[Any, Any], Any]] = {
    "+": operator.add,
    "*": operator.mul,
    "**": operator.pow,
    "%": operator.mod,
}


def _check_size(sign: str, left: Any, right: Any) -> None:
    sized = (str, list, tuple)
    if sign == "%":
        if isinstance(left, str):
            raise SecurityError("% does not format text here; put the value into the text with {{ }}")
    elif sign == "+":
        if isinstance(left, sized) and isinstance(right, sized):
            plain.check_length(len(left) + len(right))
    elif sign == "*" and (isinstance(left, sized) or isinstance(right, sized)):
        whole, times = (left, right) if isinstance(left, sized) else (right, left)
        if isinstance(times, int):
            plain.check_length(len(whole) * times)
    elif isinstance(left, int) and isinstance(right, int):
        bits = left.bit_length() * right if sign == "**" else left.bit_length() + right.bit_length()
        if bits > MAX_BITS:
            raise plain.TooLarge(f"the number would have more than {MAX_BITS} bits")


SANDBOX = Sandbox()
