#!/usr/bin/env python3
"""Celeriac's command line: `python manage.py help` lists the commands."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Run a management command."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator.settings")
    try:
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit("Celeriac is not installed in this Python: run `make up`, or `pip install -e '.[embedded]'` first.")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
