#!/usr/bin/env python
"""Run the demo site's management commands."""

import os
import sys


def main() -> None:
    """Hand the command line to Django."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 (needs the settings)

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
