"""Take the tour of the site with the open gate: FILE PORT; prints the tour's lines."""

import asyncio
import os
import sys
from pathlib import Path

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")
django.setup()

from project.tour.guide import take_tour  # noqa: E402 (needs the app registry)
from project.tour.serving import command, serving  # noqa: E402
from project.tour.site import recreate, set_up  # noqa: E402

file, port, root = Path(sys.argv[1]), int(sys.argv[2]), Path(__file__).resolve().parents[3]
recreate(file)
site = set_up()
environment = {"DATABASE_URL": f"sqlite:///{file}"}
uvicorn = command("uvicorn", port, "tests.mcp.probe.open_gate:application")
with serving(uvicorn, port, root, file.with_suffix(".log"), environment):
    asyncio.run(take_tour(port, site, print))
