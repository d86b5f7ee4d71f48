"""mcp_guard/README.md: every module has its place on the map, and the map leads to no module that is gone."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, rows, section

PACKAGE = ROOT / "mcp_guard"
TEXT = (PACKAGE / "README.md").read_text("utf-8")
LINK = re.compile(r"\[([^\]]+)\]\(([a-z_/]+\.py)\)")
TABLES = section(PACKAGE / "README.md", "Which file does what")


def modules() -> set[str]:
    found = {str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py")}
    return {name for name in found if not name.endswith("__init__.py") and not name.startswith("migrations/")}


def test_every_module_has_its_row():
    missing = modules() - {target for _, target in LINK.findall(TABLES)}

    assert not missing, f"mcp_guard/README.md does not say what these are for: {sorted(missing)}"


def test_every_file_on_the_map_exists():
    assert all((PACKAGE / target).is_file() for _, target in LINK.findall(TEXT))


def test_a_row_names_its_files_and_no_module_has_two_rows():
    cells = [row[1] for row in rows(TABLES)]
    targets = [target for cell in cells for _, target in LINK.findall(cell)]

    assert all(LINK.sub("", cell).strip(", ") == "" for cell in cells)
    assert all(text.replace("\\", "") == target for cell in cells for text, target in LINK.findall(cell))
    assert len(set(targets)) == len(targets)


def test_the_way_of_a_request_is_numbered_from_its_door_to_what_stays_open():
    steps = re.findall(
        r"^([0-9]+)\. \*\*", section(PACKAGE / "README.md", "How one request is decided"), re.MULTILINE
    )

    assert [int(step) for step in steps] == list(range(1, 11))
