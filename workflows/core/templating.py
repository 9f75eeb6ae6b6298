"""Templates in the leaf texts of parameters: what they refer to, what is wrong with them, what they become.

Only leaf texts are rendered, after the document is parsed, so a value can never add structure to it.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

from jinja2 import Template, TemplateError, TemplateSyntaxError, UndefinedError, nodes

from workflows.core import plain
from workflows.core.errors import RenderError
from workflows.core.naming import did_you_mean
from workflows.core.sandbox import EXPRESSION_NODES, FORBIDDEN_NODES, QUOTE, SANDBOX

CONTEXT_NAMES = frozenset(("params", "run", "tasks", "dag", "task", "item"))
_SCOPES = ("tasks", "params", "template")
MAX_NODES = 5_000  # of one expression's tree; a person writes some dozens
MAX_NESTING = 60

# What bad templates and odd data make Jinja and Python raise. Not Exception: a time limit is one, too.
_FAILURES = (
    TemplateError,
    TypeError,
    ValueError,
    ArithmeticError,
    LookupError,
    NameError,
    AttributeError,
    RuntimeError,
    MemoryError,
    SyntaxError,
    AssertionError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Analysis:
    """What a template says when it is read, not run; `problem` is None when its syntax is right.

    `tasks`, `params` and `template` are the names written as tasks.ID, params.NAME and template.NAME; `names` are
    all words that have to come from the context. `simple` templates have no statements, only {{ expressions }};
    a `single` one is exactly one {{ expression }}.
    """

    problem: str | None = None
    names: frozenset[str] = frozenset()
    tasks: frozenset[str] = frozenset()
    params: frozenset[str] = frozenset()
    template: frozenset[str] = frozenset()
    simple: bool = True
    single: bool = False
    loose_tasks: bool = False  # `tasks` is used without the id of a task, so what it needs cannot be fetched


def is_template(value: Any) -> bool:
    """Whether a text, or any leaf text inside a value, has something to render."""
    todo = [value]
    while todo:
        part = todo.pop()
        if isinstance(part, str):
            if "{{" in part or "{%" in part:
                return True
        elif isinstance(part, Mapping):
            todo.extend(part.values())
        elif isinstance(part, (list, tuple)):
            todo.extend(part)
    return False


def is_simple(value: Any) -> bool:
    """Whether no template inside a value has a statement: then rendering it ends soon."""
    if isinstance(value, str):
        return not is_template(value) or analyse(value).simple
    if isinstance(value, Mapping):
        return all(map(is_simple, value.values()))
    return all(map(is_simple, value)) if isinstance(value, (list, tuple)) else True


def syntax_problem(text: str) -> str | None:
    """What is wrong with a template, in words, or None."""
    return analyse(text).problem if is_template(text) else None


@lru_cache(maxsize=4096)
def analyse(text: str) -> Analysis:
    """Read a template without running any of it."""
    try:
        return _analysed(SANDBOX.parse(text))
    except TemplateSyntaxError as error:
        at = f" (line {error.lineno} of the text)" if error.lineno > 1 else ""
        return Analysis(problem=f"{plainer(error.message or 'cannot be read')}{at}")
    except RecursionError:
        return Analysis(problem="is nested too deeply")
    except _FAILURES as error:
        return Analysis(problem=str(error))


def plainer(message: str) -> str:
    """Jinja's message in the words of our documentation."""
    return message.replace("print statement", "expression").replace("end of template", "end of the text")


def _analysed(tree: nodes.Template) -> Analysis:
    names: set[str] = set()
    stored: set[str] = set()
    members: dict[str, set[str]] = {name: set() for name in _SCOPES}
    simple, loose = True, 0
    for node in _walk(tree):
        problem = _forbidden(node)
        if problem:
            return Analysis(problem=problem)
        simple = simple and isinstance(node, EXPRESSION_NODES)
        if isinstance(node, nodes.Name):
            (names if node.ctx == "load" else stored).add(node.name)
            loose += node.name == "tasks" and node.ctx == "load"
        elif (member := _member(node)) is not None:
            members[member[0]].add(member[1])
            loose -= member[0] == "tasks"
    return Analysis(
        names=frozenset(names - stored - SANDBOX.globals.keys() - {"loop"}),
        tasks=frozenset(members["tasks"] if "tasks" not in stored else ()),
        params=frozenset(members["params"] if "params" not in stored else ()),
        template=frozenset(members["template"]),
        simple=simple,
        single=_only_expression(tree) is not None,
        loose_tasks=loose > 0 and "tasks" not in stored,
    )


def _walk(tree: nodes.Node) -> Iterator[nodes.Node]:
    """Every node of a tree that is neither too large nor too deep for Jinja's recursive compiler."""
    todo = [(tree, 0)]
    seen = 0
    while todo:
        node, depth = todo.pop()
        seen += 1
        if seen > MAX_NODES or depth > MAX_NESTING:
            raise TemplateSyntaxError("is too long or nested too deeply", 1)
        yield node
        todo.extend((child, depth + 1) for child in node.iter_child_nodes())


def _forbidden(node: nodes.Node) -> str | None:
    statement = FORBIDDEN_NODES.get(type(node))
    if statement:
        return f"the statement {statement!r} is not available"
    if isinstance(node, nodes.Filter) and node.name not in SANDBOX.filters:
        return f"there is no filter {node.name!r}{did_you_mean(node.name, SANDBOX.filters)}"
    if isinstance(node, nodes.Test) and node.name not in SANDBOX.tests:
        return f"there is no test {node.name!r}{did_you_mean(node.name, SANDBOX.tests)}"
    if isinstance(node, nodes.Const) and isinstance(node.value, float) and not math.isfinite(node.value):
        return "a number is too large"
    if isinstance(node, nodes.For) and node.recursive:
        return "recursive loops are not available"
    return None


def _member(node: nodes.Node) -> tuple[str, str] | None:
    """("tasks", "fetch") for tasks.fetch or tasks["fetch"], and the like for params and template."""
    if not isinstance(node, (nodes.Getattr, nodes.Getitem)) or not isinstance(node.node, nodes.Name):
        return None
    name = node.node.name
    if name not in _SCOPES:
        return None
    if isinstance(node, nodes.Getattr):
        return None if name == "params" and node.attr in ("get", "items", "keys", "values") else (name, node.attr)
    if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return name, node.arg.value
    return None


def render(
    value: Any,
    context: Mapping[str, Any],
    *,
    max_chars: int = plain.MAX_CHARS,
    simple: bool = False,
    quote: Callable[[str | None], str] | None = None,
) -> Any:
    """The value with its leaf texts rendered; nothing else runs templates. Raises RenderError.

    A text that is exactly one `{{ expression }}` becomes the expression's value, any other text stays text.
    `max_chars` bounds all that is rendered together. `simple` refuses statements: without loops a template
    ends soon, so it may run outside a worker. `quote` makes text of every value that an expression puts into
    the text, so that a value stays one word of a command whatever it holds; the result is text then.
    """
    scope = {**context, QUOTE: quote} if quote is not None else context
    return _Renderer(scope, max_chars, simple, native=quote is None).value(value)


def tasks_named(value: Any) -> frozenset[str]:
    """The ids of the tasks that the templates in a value name."""
    if isinstance(value, str):
        return analyse(value).tasks if is_template(value) else frozenset()
    if isinstance(value, Mapping):
        return frozenset().union(*(tasks_named(item) for item in value.values()))
    if isinstance(value, (list, tuple)):
        return frozenset().union(*(tasks_named(item) for item in value))
    return frozenset()


class _Renderer:
    def __init__(self, context: Mapping[str, Any], max_chars: int, simple: bool, *, native: bool = True) -> None:
        self.native = native
        self.context = dict(context)
        self.left = max_chars
        self.max_chars = max_chars
        self.simple = simple

    def value(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value) if is_template(value) else value
        if isinstance(value, Mapping):
            return {key: self.value(item) for key, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self.value(item) for item in value]
        return value

    def text(self, text: str) -> Any:
        if self.simple and not analyse(text).simple:
            raise RenderError(expression=text, why="statements are not available here, only {{ expressions }}")
        run = _runner(text, self.native)
        result = _guarded(text, lambda: run(self.context, plain.MAX_CHARS))
        self.left -= plain.weight(result)
        if self.left < 0:
            raise RenderError(expression=text, why=f"the result is longer than {self.max_chars:,} characters")
        return result


Result = TypeVar("Result")
Runner = Callable[[Mapping[str, Any], int], Any]


def _runner(text: str, native: bool = True) -> Runner:
    """A function of a context and a limit that runs the template; raises RenderError for bad syntax."""
    problem = analyse(text).problem
    if problem:
        raise RenderError(expression=text, why=problem)
    return _guarded(text, lambda: _compiled(text, native))


@lru_cache(maxsize=2048)
def _compiled(text: str, native: bool = True) -> Runner:
    tree = SANDBOX.parse(text)
    expression = _only_expression(tree)
    if expression is None or not native:
        template = SANDBOX.from_string(tree)
        return lambda context, limit: _streamed(template, context, limit)
    tree.body = [nodes.Assign(nodes.Name("result", "store", lineno=1), expression, lineno=1)]
    valued = SANDBOX.from_string(tree)
    return lambda context, limit: _valued(valued, context, limit)


def _streamed(template: Template, context: Mapping[str, Any], limit: int) -> str:
    chunks: list[str] = []
    length = 0
    for chunk in template.root_render_func(template.new_context(dict(context))):
        length += len(chunk)
        plain.check_length(length, limit)
        chunks.append(chunk)
    return "".join(chunks)


def _valued(template: Template, context: Mapping[str, Any], limit: int) -> Any:
    scope = template.new_context(dict(context))
    deque(template.root_render_func(scope), maxlen=0)
    return plain.to_plain(scope.vars["result"], limit)


def _only_expression(tree: nodes.Template) -> nodes.Expr | None:
    """The expression of a template that is nothing but one {{ expression }}."""
    if len(tree.body) != 1 or not isinstance(tree.body[0], nodes.Output):
        return None
    parts = tree.body[0].nodes
    return parts[0] if len(parts) == 1 and not isinstance(parts[0], nodes.TemplateData) else None


def _guarded(text: str, action: Callable[[], Result]) -> Result:
    """Run a piece of a template and turn whatever bad input makes of it into a RenderError."""
    try:
        return action()
    except RenderError:
        raise
    except UndefinedError as error:
        raise RenderError(expression=text, why=_undefined(text, error)) from error
    except RecursionError as error:
        raise RenderError(expression=text, why="it is nested too deeply") from error
    except _FAILURES as error:
        raise RenderError(expression=text, why=str(error) or type(error).__name__) from error


def _undefined(text: str, error: UndefinedError) -> str:
    """The undefined name as the template writes it: tasks.fetch.output.rows, not just 'rows'."""
    message = str(error.message)
    for node in _walk(SANDBOX.parse(text)):
        path = _dotted(node)
        if path and (message.endswith(f"attribute {path[-1]!r}") or message.startswith(f"{path[-1]!r} is undefined")):
            return f"{'.'.join(path)} is not defined"
    return message


def _dotted(node: nodes.Node) -> list[str] | None:
    parts: list[str] = []
    while isinstance(node, (nodes.Getattr, nodes.Getitem)):
        if isinstance(node, nodes.Getattr):
            parts.append(node.attr)
        elif isinstance(node.arg, nodes.Const):
            parts.append(str(node.arg.value))
        else:
            return None
        node = node.node
    return [node.name, *reversed(parts)] if isinstance(node, nodes.Name) else None
