"""Two transactions in every order: an isolation tester over the engine's own functions.

Each actor is a thread with its own connection. It stops before every statement and before every commit, and goes on
when the conductor lets it; an actor that PostgreSQL makes wait for a lock is left alone until it gets it. The conductor
plays one schedule after the other until there is no order left that it has not seen. Nothing sleeps, nothing is random.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from django.db import connections, transaction

from tests.support.waiting import eventually
from workflows.engine import sql

_READS = re.compile(r"\s*SELECT(?!.*(FOR (NO KEY )?UPDATE|pg_advisory))", re.DOTALL)
PATIENCE = 20.0  # seconds until a step that neither ends nor waits for a lock is a broken test


@dataclass(slots=True)
class Outcome:
    """What an actor's work came to."""

    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True, slots=True)
class Played:
    """One schedule: whose turn it was at each step, how each actor ended, and what the scene was about."""

    turns: tuple[int, ...]
    ends: tuple[Outcome, ...]
    scene: Any

    def won(self) -> list[bool]:
        """Which actors came to an end that is neither an error nor False nor None."""
        return [end.error is None and end.value not in (None, False) for end in self.ends]


class Stepped(sql._Shared):
    """The engine's session of an actor: what is one statement elsewhere is a statement and a commit here."""

    def __init__(self, stop: Callable[[str], None]) -> None:
        self._stop = stop

    def run(self, query: Any, params: Sequence[Any]) -> list[sql.Row]:
        if not self.in_transaction and not _READS.match(query):
            with transaction.atomic():
                return self.run(query, params)
        self._stop(query)
        return super().run(query, params)


class Actor:
    """A thread that does one piece of work after the other, step by step."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.end: Outcome | None = None
        self.pid = 0
        self.blocked = False
        self.story: list[str] = []
        self._work: Callable[[], Any] | None = None
        self._go = threading.Semaphore(0)
        self._called = threading.Semaphore(0)
        self._at_gate = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._live, name=f"actor-{number}", daemon=True)
        self._thread.start()

    def begin(self, work: Callable[[], Any]) -> None:
        """Start the work; it stops before its first statement."""
        self.end, self.blocked, self.story = None, False, []
        self._work = work
        self._at_gate.clear()
        self._called.release()

    def step(self) -> None:
        """Let it go on to the next statement or commit, or to its end."""
        self._at_gate.clear()
        self._go.release()

    @property
    def stands(self) -> bool:
        """Whether it waits for its turn, or has ended."""
        return self._at_gate.is_set()

    def close(self) -> None:
        """End the thread and its connection."""
        self._over = True
        self._called.release()
        self._thread.join(PATIENCE)

    def stop(self, what: str) -> None:
        """Called by the actor's own thread: stand here until the conductor says so."""
        self.story.append(" ".join(what.split())[:60])
        self._at_gate.set()
        self._go.acquire()

    def _live(self) -> None:
        _stage.session = Stepped(self.stop)
        django = connections["default"]
        django.ensure_connection()
        self.pid = django.connection.info.backend_pid
        commit = django.commit

        def committed() -> None:
            self.stop("COMMIT")
            commit()

        django.commit = committed  # type: ignore[method-assign]
        with ExitStack() as stack:
            stack.enter_context(django.execute_wrapper(self._wrapped))
            while True:
                self._called.acquire()
                if self._over:
                    break
                self._perform()
        django.close()

    def _wrapped(self, execute: Any, query: str, params: Any, many: bool, context: Any) -> Any:
        self.stop(query)
        return execute(query, params, many, context)

    def _perform(self) -> None:
        assert self._work is not None
        end = Outcome()
        try:
            end.value = self._work()
        except BaseException as error:
            end.error = error
        self.end = end
        self._at_gate.set()


_stage = threading.local()
_BLOCKERS = "SELECT cardinality(pg_blocking_pids(%s))"


@dataclass(slots=True)
class Choice:
    """A moment with more than one actor that could go on."""

    taken: int
    left: list[int]


@dataclass(slots=True)
class Conductor:
    """Plays every schedule of some actors."""

    actors: list[Actor]
    observer: psycopg.Connection[Any]
    played: list[Played] = field(default_factory=list)

    def every_order(
        self, scene: Callable[[], Any], *works: Callable[[Any], Any], switches: int = 99, most: int = 500
    ) -> Iterator[Played]:
        """Play each order of the works' steps on a scene of its own; yields after each.

        `switches` bounds how often an actor that could go on is interrupted, where all orders would be too many.
        """
        path: list[Choice] = []
        for count in range(most + 1):
            assert count < most, f"more than {most} orders"
            setting = scene()
            turns = self._play(setting, works, path, switches)
            ends = tuple(actor.end or Outcome() for actor in self.actors[: len(works)])
            done = Played(turns=turns, ends=ends, scene=setting)
            self.played.append(done)
            yield done
            while path and not path[-1].left:
                path.pop()
            if not path:
                return
            path[-1].taken = path[-1].left.pop(0)

    def _play(
        self, setting: Any, works: Sequence[Callable[[Any], Any]], path: list[Choice], switches: int
    ) -> tuple[int, ...]:
        actors = self.actors[: len(works)]
        for actor, work in zip(actors, works, strict=True):
            actor.begin(lambda work=work: work(setting))  # type: ignore[misc]
            self._settle(actor)
        turns: list[int] = []
        choices = 0
        while any(actor.end is None for actor in actors):
            ready = [actor.number for actor in actors if actor.end is None and not actor.blocked]
            if not ready:  # a deadlock: PostgreSQL ends one of them
                eventually(lambda: any(actor.stands for actor in actors if actor.end is None), PATIENCE)
                self._look_again(actors)
                continue
            goes_on = bool(turns) and turns[-1] in ready
            turn = turns[-1] if goes_on else ready[0]
            if len(ready) > 1 and (switches or not goes_on):
                if choices == len(path):
                    path.append(Choice(taken=turn, left=[number for number in ready if number != turn]))
                taken = path[choices].taken
                switches -= int(goes_on and taken != turn)
                turn = taken
                choices += 1
            turns.append(turn)
            actors[turn].step()
            self._settle(actors[turn])
            self._look_again(actors)
        return tuple(turns)

    def _look_again(self, actors: list[Actor]) -> None:
        """Those that waited for a lock may have it now."""
        for actor in actors:
            if actor.blocked:
                self._settle(actor)

    def _settle(self, actor: Actor) -> None:
        """Return when the actor stands at its next step, has ended, or waits for a lock."""

        def settled() -> bool:
            if actor.stands:
                actor.blocked = False
                return True
            actor.blocked = self._waits_for_a_lock(actor)
            return actor.blocked

        eventually(settled, PATIENCE, every=0.0005, saying=lambda: f"actor {actor.number} hangs after {actor.story}")

    def _waits_for_a_lock(self, actor: Actor) -> bool:
        row = self.observer.execute(_BLOCKERS, (actor.pid,)).fetchone()
        return bool(row and row[0])

    def close(self) -> None:
        """End the actors."""
        for actor in self.actors:
            actor.close()
        self.observer.close()


def conductor(monkeypatch: pytest.MonkeyPatch, actors: int = 2) -> Conductor:
    """A conductor of actors on the test's database; the engine of every other thread is as it was."""
    before = sql._current
    monkeypatch.setattr(sql, "_current", lambda: getattr(_stage, "session", None) or before())
    parameters = connections["default"].get_connection_params()
    for name in ("cursor_factory", "context", "prepare_threshold"):
        parameters.pop(name, None)
    observer = psycopg.connect(**parameters, autocommit=True)
    made = [Actor(number) for number in range(actors)]
    eventually(lambda: all(actor.pid for actor in made), PATIENCE)
    return Conductor(actors=made, observer=observer)
