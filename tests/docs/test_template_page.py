"""docs/template.md: its fields, words and capabilities are those of the code, and so is what it shows."""

from __future__ import annotations

import re

import pytest

from mcp_guard.template import authentication, document, file, isolation, logs, section, websocket
from mcp_guard.template.capabilities import grant_of
from tests.docs.pages import ROOT, blocks, code, rows
from tests.docs.pages import section as under
from tests.template.templates import EXAMPLE, SERVER_EXAMPLE, problems, template

PAGE = ROOT / "docs" / "template.md"
TEXT = " ".join(PAGE.read_text("utf-8").split())


def fields(heading):
    """Return what the first column of each table under a heading names, in order."""
    return [code(row[0]) for row in rows(under(PAGE, heading))]


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("`websocket`", websocket.FIELDS),
        ("`authentication`", authentication.FIELDS | authentication.TOKEN_FIELDS),
        ("`process_isolation`", isolation.FIELDS | isolation.LIMIT_FIELDS),
        ("`logging`", logs.FIELDS | logs.SIEM_FIELDS | logs.ALERTS),
    ],
)
def test_every_field_of_a_section_has_its_row_and_no_other(heading, known):
    assert sorted(fields(heading)) == sorted(known)
    assert code(heading) in document.SECTIONS


def test_the_examples_have_every_field_between_them():
    text = EXAMPLE.read_text("utf-8") + SERVER_EXAMPLE.read_text("utf-8")
    known = websocket.FIELDS | authentication.FIELDS | isolation.FIELDS | isolation.LIMIT_FIELDS | logs.FIELDS
    unused = {name for name in known | logs.SIEM_FIELDS if f'"{name}"' not in text}
    assert unused == {"token_env"}  # which is token_file by another name
    assert {name for name in authentication.TOKEN_FIELDS if f'"{name}"' not in text} == {"value"}


@pytest.mark.parametrize("row", rows(under(PAGE, "Capabilities")), ids=lambda row: row[0])
def test_a_capability_is_mapped_as_the_page_says(row):
    shown = re.match(r"`([^`]+)`", row[1])
    assert grant_of(code(row[0])) == (shown[1] if shown else None)


def test_the_bounds_are_those_of_the_code():
    assert f"At most {file.MAX_BYTES // 1024} KiB" in TEXT
    assert f"at most {section.MAX_ITEMS} items, a string at most {section.MAX_TEXT} characters" in TEXT


def test_the_refusal_that_is_shown_is_the_one_that_comes():
    [shown] = [block.text for block in blocks(PAGE) if block.language == "text"]
    found = problems(
        template(
            websocket={"bind_address": "0.0.0.0", "allowed_origins": ["*"]},
            authentication={
                "tokens": [
                    {
                        "name": "ci",
                        "value": "CHANGE_ME",
                        "expires": "2020-01-01",
                        "allowed_capabilities": ["read_note"],
                    }
                ]
            },
        )
    )
    lines = [f"{path}: {text}" for path, text in found.items()]
    assert sorted(shown.splitlines()[2:]) == sorted(lines)
