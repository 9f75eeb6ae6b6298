"""The command line of the harness."""

from __future__ import annotations

import logging
import os
import sys


def main() -> int:
    """Prepare Django on servers of our own, then go on in `command`."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.support.settings"
    import django

    django.setup()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    from tests.chaos.harness import command

    return command.main(sys.argv[1:])


if __name__ == "__main__":
    raise SystemExit(main())
