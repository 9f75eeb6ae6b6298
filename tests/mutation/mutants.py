"""Small wrongs, one at a time: in the guards of the SQL that writes states, and in the rules that decide."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """A file with one thing changed."""

    path: Path
    line: int
    what: str
    source: str

    @property
    def name(self) -> str:
        """Where it is and what it does."""
        return f"{self.path.relative_to(ROOT)}:{self.line} {self.what}"


# SQL: a guard that is left out, a step of one that is none or two.

_OPERAND = r"(?:'[^']*'|%\(\w+\)s(?:::[\w\[\]]+)?|[\w.]+(?:\.[\w.]+)*|%s)"
_GUARD = re.compile(
    r"\bAND (?:NOT )?(?:\((?:[^()]|\([^()]*\))*\)"
    rf"|[\w.]+ (?:IS (?:NOT )?NULL|(?:=|<>|<=|>=|<|>) -?{_OPERAND})|[\w.]+\b(?! ?[(=<>])(?! IS| ALL| ANY| SELECT))"
)
_STEP = re.compile(r"\b(\w+ [+-] )1\b")
_SQL = re.compile(r'"""\n(?:WITH|UPDATE|SELECT|INSERT|\s+WITH).*?"""', re.DOTALL)


def of_sql(path: Path) -> Iterator[Mutant]:
    """Mutants of the statements in a module."""
    source = path.read_text()
    for statement in _SQL.finditer(source):
        for found in _GUARD.finditer(source, statement.start(), statement.end()):
            yield _without(path, source, found.span(), f"drops {found.group()!r}")
        for found in _STEP.finditer(source, statement.start(), statement.end()):
            for other in ("0", "2"):
                changed = source[: found.end() - 1] + other + source[found.end() :]
                yield _mutant(path, source, found.start(), f"{found.group()!r} becomes {other}", changed)


def _without(path: Path, source: str, span: tuple[int, int], what: str) -> Mutant:
    return _mutant(path, source, span[0], what, source[: span[0]] + source[span[1] :])


def _mutant(path: Path, source: str, at: int, what: str, changed: str) -> Mutant:
    return Mutant(path=path, line=source.count("\n", 0, at) + 1, what=what, source=changed)


# Python: conditions turned round, operators exchanged, numbers off by one, results exchanged.

_EXCHANGE: dict[type[ast.AST], type[ast.AST]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.Gt: ast.GtE,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
}
_NAMES = {"RUN_IT": "_NOT_MET", "_FAILED": "_SKIPPED", "_SKIPPED": "_FAILED", "_NOT_MET": "RUN_IT"}


def of_python(path: Path) -> Iterator[Mutant]:
    """Mutants of a module's functions."""
    source = path.read_text()
    count = sum(1 for _ in _places(ast.parse(source)))
    for number in range(count):
        tree = ast.parse(source)
        line, what = list(_places(tree))[number].apply()
        yield Mutant(path=path, line=line, what=what, source=ast.unparse(tree))


@dataclass(frozen=True, slots=True)
class _Place:
    node: ast.AST
    kind: str

    def apply(self) -> tuple[int, str]:
        before = ast.unparse(self.node)
        getattr(self, f"_{self.kind}")()
        return getattr(self.node, "lineno", 0), f"{before!r} becomes {ast.unparse(self.node)!r}"

    def _compare(self) -> None:
        assert isinstance(self.node, ast.Compare)
        self.node.ops[0] = _EXCHANGE[type(self.node.ops[0])]()  # type: ignore[assignment]

    def _bool(self) -> None:
        assert isinstance(self.node, ast.BoolOp)
        self.node.op = _EXCHANGE[type(self.node.op)]()  # type: ignore[assignment]

    def _binary(self) -> None:
        assert isinstance(self.node, (ast.BinOp, ast.AugAssign))
        self.node.op = _EXCHANGE[type(self.node.op)]()  # type: ignore[assignment]

    def _negate(self) -> None:
        assert isinstance(self.node, (ast.If, ast.IfExp))
        self.node.test = ast.UnaryOp(op=ast.Not(), operand=self.node.test)

    def _number(self) -> None:
        assert isinstance(self.node, ast.Constant)
        self.node.value = 1 - self.node.value  # type: ignore[operator]

    def _result(self) -> None:
        assert isinstance(self.node, ast.Name)
        self.node.id = _NAMES[self.node.id]

    def _absolve(self) -> None:
        assert isinstance(self.node, ast.UnaryOp)
        self.node.operand = ast.UnaryOp(op=ast.Not(), operand=self.node.operand)


def _places(tree: ast.Module) -> Iterator[_Place]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if kind := _kind(node):
                    yield _Place(node, kind)


def _kind(node: ast.AST) -> str | None:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in _EXCHANGE:
            return "compare"
        case ast.BoolOp():
            return "bool"
        case ast.BinOp(op=operator) | ast.AugAssign(op=operator) if type(operator) in _EXCHANGE:
            return "binary"
        case ast.If() | ast.IfExp():
            return "negate"
        case ast.UnaryOp(op=ast.Not()):
            return "absolve"
        case ast.Constant(value=0 | 1) if type(node.value) is int:
            return "number"
        case ast.Name(id=name, ctx=ast.Load()) if name in _NAMES:
            return "result"
    return None
