"""Documents as files: which ones a command was given, what they refer to, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from glob import glob, has_magic
from pathlib import Path
from typing import Any, Literal

from django.core.management.base import CommandError
from django.db import Error as DatabaseError

from workflows.core import templating, validate
from workflows.core.errors import InvalidDocument, NoVersion, Problem, UnknownDag, UnknownVersion
from workflows.core.parse import Parsed
from workflows.core.spec import DagSpec
from workflows.engine import publish
from workflows.management import text
from workflows.models import Dag, DagVersion
from workflows.operators import registry

SUFFIXES: dict[str, Literal["yaml", "json"]] = {".yaml": "yaml", ".yml": "yaml", ".json": "json"}

FILES_HELP = 'a document, a directory of documents, or a pattern such as "dags/**/*.yaml"'


def files(names: Iterable[str]) -> list[Path]:
    """The files of the given names, each once; a directory stands for every document in it, by name, and a pattern
    such as "dags/**/*.yaml", which a shell may have left as it is, for every document that it matches."""
    found: list[Path] = []
    for name in names:
        path = Path(name)
        if path.is_dir():
            inside = _documents(path.iterdir())
            if not inside:
                raise CommandError(f"There is no .yaml, .yml or .json file in {path}.")
            found += inside
        elif has_magic(name) and not path.exists():
            matching = _documents(Path(each) for each in glob(name, recursive=True))
            if not matching:
                raise CommandError(f"No .yaml, .yml or .json file matches {name}.")
            found += matching
        else:
            found.append(path)
    return list(dict.fromkeys(found))


def _documents(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix.lower() in SUFFIXES and path.is_file())


def read(path: Path) -> bytes:
    """The bytes of a file, or a sentence about why not."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error


def format_of(path: Path) -> Literal["yaml", "json"] | None:
    """The format that a file's name promises."""
    return SUFFIXES.get(path.suffix.lower())


def in_place(path: Path, problem: Problem) -> str:
    """A problem with its place, as editors and people read it: FILE:LINE: path: message [code]."""
    line = f":{problem.line}" if problem.line else ""
    return f"{path}{line}: {problem.path or '(document)'}: {problem.message} [{problem.code}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A file that was published, and whether that made a new version."""

    path: Path
    version: DagVersion
    is_new: bool

    @property
    def line(self) -> str:
        """`daily_sales v3 (new) 12 tasks`."""
        count = self.version.task_count
        word = "new" if self.is_new else "unchanged"
        return f"{self.version.dag.dag_id} v{self.version.number} ({word}) {text.counted(count, 'task')}"


class Unfit(CommandError):
    """A file has problems; the message has one line for each."""

    def __init__(self, path: Path, problems: Iterable[Problem]) -> None:
        super().__init__("\n".join(in_place(path, problem) for problem in problems))


def publish_file(path: Path, *, note: str = "") -> Published:
    """Publish one file. Raises Unfit."""
    source = read(path)
    before = DagVersion.objects.order_by("-id").values_list("id", flat=True).first() or 0
    try:
        version = publish.publish(source, format=format_of(path), note=note)
    except InvalidDocument as error:
        raise Unfit(path, error.problems) from error
    return Published(path=path, version=version, is_new=version.pk > before)


def in_order(paths: Iterable[Path]) -> list[Path]:
    """The files, those first that others of them run after; else as they come."""
    specs = {path: _loosely(path) for path in paths}
    named = {spec.id: path for path, spec in specs.items() if spec is not None}
    found: dict[Path, None] = {}

    def take(path: Path, above: tuple[Path, ...] = ()) -> None:
        spec = specs[path]
        schedule = spec.schedule if spec is not None else None
        for dag_id in (schedule.after or ()) if schedule is not None else ():
            if dag_id in named and named[dag_id] not in above and len(above) < 200:
                take(named[dag_id], (*above, path))
        found.setdefault(path)

    for path in specs:
        take(path)
    return list(found)


def _loosely(path: Path) -> DagSpec | None:
    try:
        return check_file(path, Catalogue.loose()).spec
    except CommandError:
        return None  # told when its turn comes


def knowing(catalogue: validate.Catalogue, paths: Iterable[Path]) -> validate.Catalogue:
    """The catalogue, with the DAGs of files that are to be published together."""
    specs = [spec for spec in map(_loosely, paths) if spec is not None]
    here = {spec.id: (spec.schedule.after or ()) if spec.schedule is not None else () for spec in specs}
    stored = catalogue.after
    return replace(catalogue, after=(lambda: {**stored(), **here}) if stored is not None else None)


def publish_with_neighbours(path: Path) -> list[Published]:
    """Publish a file after the documents beside it that its sub-DAG tasks name; the file comes last."""
    return [publish_file(each) for each in _with_neighbours(path, set())]


def _with_neighbours(path: Path, seen: set[Path]) -> Iterator[Path]:
    seen.add(path.resolve())
    parsed = validate.check(read(path), Catalogue.loose(), publish.limits(), format_of(path))
    for dag_id in sorted(_subdags(parsed.spec)) if parsed.spec else ():
        beside = next((p for s in SUFFIXES if (p := path.with_name(dag_id + s)).is_file()), None)
        if beside is not None and beside.resolve() not in seen:
            yield from _with_neighbours(beside, seen)
    yield path


def _subdags(spec: DagSpec) -> set[str]:
    named = (task.parameters.get("dag_id") for task in spec.tasks.values() if task.type == "subdag")
    return {name for name in named if isinstance(name, str) and not templating.is_template(name) and "/" not in name}


class Catalogue:
    """What documents may refer to, with and without a database."""

    @staticmethod
    def loose() -> validate.Catalogue:
        """The task types alone: pools are not known without a database."""
        return validate.Catalogue(types=registry.catalogue_types(), pools=None)

    @staticmethod
    def best() -> tuple[validate.Catalogue, bool]:
        """The whole catalogue, or without pools when there is no database; and whether it is whole."""
        try:
            return publish.catalogue(), True
        except DatabaseError:
            return Catalogue.loose(), False


def check_file(path: Path, catalogue: validate.Catalogue) -> Parsed:
    """Every problem of a file."""
    source: Any = read(path)
    return validate.check(source, catalogue, publish.limits(), format_of(path))


def stored_version(dag_id: str, number: int | None) -> DagVersion:
    """A stored version by number, or the current one. Raises UnknownDag, UnknownVersion, NoVersion."""
    dag = Dag.objects.live().select_related("current_version").filter(dag_id=dag_id).first()
    if dag is None:
        raise UnknownDag(dag_id=dag_id)
    version = dag.current_version if number is None else dag.versions.filter(number=number).first()
    if version is None:
        raise NoVersion(dag_id=dag_id) if number is None else UnknownVersion(dag_id=dag_id, number=number)
    return version
