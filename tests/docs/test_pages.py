"""Rules for all pages: links lead somewhere, snippets are what they say, no file speaks of a workplace."""

from __future__ import annotations

import ast
import io
import json
import logging
import logging.config
import re

import pytest

from mcp_guard.audit import refusals
from mcp_guard.policy.decision import Reason
from mcp_guard.policy.endpoint import Endpoint, HostRules, Profile
from mcp_guard.policy.facts import Exchange, RequestHead
from mcp_guard.tokens import mint
from tests.docs.pages import PAGES, ROOT, blocks, headings

IDS = [str(page.relative_to(ROOT)) for page in PAGES]
each_page = pytest.mark.parametrize("page", PAGES, ids=IDS)
INSTALLING = ROOT / "docs" / "installing.md"

FORBIDDEN = re.compile(
    r"/wor[k]/|\.\./share[d]|\.librar[y]|/tmp/v[0]|far[m]-|\bissue #[0-9]|\bbrie[f]\.md", re.IGNORECASE
)
"""Where the project was made is nobody's business; the brackets keep this file from matching itself."""

NOT_OURS = {".git", ".venv", "node_modules", "var", "build", "dist", "__pycache__"}


def anchor(heading):
    """Return the anchor that Markdown viewers give a heading."""
    return re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")


def links(page):
    return re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8"))


def texts():
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        if not path.is_file() or any(part in NOT_OURS or part.endswith("cache") for part in parts[:-1]):
            continue
        if parts[0].startswith(".hypothesis"):
            continue
        try:
            yield path, path.read_text("utf-8")
        except UnicodeDecodeError:
            continue


@each_page
def test_a_link_leads_somewhere(page):
    for link in links(page):
        if link.startswith(("https://", "mailto:")):
            continue
        target, _, fragment = link.partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), link
        if fragment:
            assert fragment in map(anchor, headings(path)), link


@each_page
def test_a_snippet_is_what_it_says(page):
    for block in blocks(page):
        match block.language:
            case "python":
                ast.parse(block.text)
            case "json":
                json.loads(block.text)
            case other:
                assert other in {"console", "text", "js"}, f"{block.heading}: a block of {other!r}"


@each_page
def test_a_page_has_one_title_and_no_heading_twice(page):
    fences = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^# .+$", fences.sub("", page.read_text("utf-8")), re.MULTILINE)

    assert len(titles) == 1
    if page.name != "CHANGELOG.md":
        assert len(set(headings(page))) == len(headings(page))


def test_every_page_of_docs_is_reached_from_the_readme():
    reached = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}

    missing = {page.name for page in (ROOT / "docs").glob("*.md") if page not in reached}
    assert not missing, f"the table of pages in README.md lacks {sorted(missing)}"
    assert {ROOT / "SECURITY.md", ROOT / "LICENSE", ROOT / "mcp_guard" / "README.md"} <= reached


def test_no_file_speaks_of_a_workplace():
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}" for path, text in texts() if (match := FORBIDDEN.search(text))
    ]

    assert not found


def test_the_workplace_would_be_noticed():
    said = ["see /work" + "/main", "in ../share" + "d/x", "issue" + " #12"]

    assert all(FORBIDDEN.search(text) for text in said)
    assert len(list(texts())) > 100


def shown_logging():
    [block] = [block for block in blocks(INSTALLING) if block.language == "python"]
    values = {}
    exec(block.text, values)
    return values["LOGGING"]


@pytest.mark.parametrize("name", ["uvicorn.access", "mcp_guard.refusals", "some.other"])
def test_the_logging_that_is_shown_masks_tokens(name, monkeypatch):
    text, output = mint(), io.StringIO()
    settings = shown_logging()
    monkeypatch.setattr("sys.stderr", output)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logging.config.dictConfig(settings)
        logging.getLogger(name).warning(
            '%s - "GET /mcp?token=%s\x1b[31m HTTP/1.1" %d', "203.0.113.9", text, 401
        )
    finally:
        root.handlers[:], root.level = before
        for changed in settings["loggers"]:
            logging.getLogger(changed).handlers.clear()
            logging.getLogger(changed).propagate = True

    assert text not in output.getvalue()
    assert "\x1b" not in output.getvalue()
    assert output.getvalue().startswith('203.0.113.9 - "GET /mcp?token=mcpg_[redacted]')


def test_the_line_of_a_refusal_has_the_fields_that_are_shown(caplog):
    [block] = [block for block in blocks(INSTALLING) if block.language == "json"]
    shown = json.loads(block.text)
    endpoint = Endpoint("notes", Profile.PARTNER, HostRules())
    head = RequestHead(Exchange.REQUEST, "POST", "/mcp", b"", "http", "203.0.113.9", "", {}, None)

    with caplog.at_level(logging.WARNING, logger="mcp_guard.refusals"):
        refusals.note(endpoint, head, Reason.ORIGIN_NOT_LISTED, "5f0c3a1b9d2e4f60")

    assert list(json.loads(caplog.messages[-1])) == list(shown)
    assert f"most {refusals.LINES_PER_SECOND} lines" in " ".join(INSTALLING.read_text("utf-8").split())


def test_every_logger_is_named():
    text = INSTALLING.read_text("utf-8")
    names = {
        name
        for path in (ROOT / "mcp_guard").rglob("*.py")
        for name in re.findall(r'getLogger\("([a-z_.]+)"\)', path.read_text("utf-8"))
    }

    assert names
    assert all(f"`{name}`" in text for name in names)
