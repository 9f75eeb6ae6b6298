"""What the commands have in common: a refusal is one sentence on stderr and exit code 1, not a traceback."""

from __future__ import annotations

import json
import os
import sys
from argparse import RawDescriptionHelpFormatter
from datetime import datetime
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError, ProgrammingError

from workflows.conf import UnknownSetting
from workflows.core.errors import CeleriacError

INTERRUPTED = 130
BY = "the command line"  # who did it, for the events


class EngineCommand(BaseCommand):
    """Base of the commands. `example` is shown at the end of --help; the other text comes from `help`."""

    example = ""
    requires_system_checks: list[str] = []

    def create_parser(self, prog_name: str, subcommand: str, **kwargs: Any) -> CommandParser:
        """The parser, with the example below the options."""
        kwargs["formatter_class"] = RawDescriptionHelpFormatter
        kwargs["epilog"] = f"Example:\n{self.example}" if self.example else None
        # Django's own --version (of Django) gives way to the version of a DAG.
        return super().create_parser(prog_name, subcommand, conflict_handler="resolve", **kwargs)

    def execute(self, *args: Any, **options: Any) -> Any:
        """Run, and turn what a person can mend into a sentence."""
        try:
            return super().execute(*args, **options)
        except BrokenPipeError:
            # The reader (head, less) has seen enough; what is left in the buffer must not raise at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return None
        except KeyboardInterrupt:
            return self._end("Stopped.", INTERRUPTED)
        except (CommandError, CeleriacError, UnknownSetting, ImproperlyConfigured) as error:
            return self._end(str(error), getattr(error, "returncode", 1), error)
        except DatabaseError as error:
            return self._end(database_sentence(error), 1, error)

    def _end(self, sentence: str, code: int, error: Exception | None = None) -> None:
        if not getattr(self, "_called_from_command_line", False):
            raise CommandError(sentence, returncode=code) from error
        if sentence:
            self.stderr.write(sentence)
        sys.exit(code)

    def say_json(self, value: Any) -> None:
        """Write a value to stdout as JSON."""
        self.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def add_json(parser: CommandParser) -> None:
    """Declare --json."""
    parser.add_argument("--json", action="store_true", help="write JSON instead of text")


def add_dry_run(parser: CommandParser) -> None:
    """Declare --dry-run."""
    parser.add_argument("--dry-run", action="store_true", help="say what would be touched, and change nothing")


def database_sentence(error: DatabaseError) -> str:
    """What a database error means for the person at the terminal."""
    first = next(iter(str(error).strip().splitlines()), "no reason given")
    if isinstance(error, ProgrammingError) and "does not exist" in first:
        return f"The database has no tables of this release ({first}): run `manage.py migrate`."
    if isinstance(error, (OperationalError, InterfaceError)):
        return (
            f"The database cannot be reached: {first}. Start it (`manage.py standalone`), or name another "
            "one in DATABASE_URL."
        )
    return f"The database refused: {first}"


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value)
