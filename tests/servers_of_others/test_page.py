"""docs/other-servers.md: every server stands there with what it was tested with, in at most ten lines."""

from __future__ import annotations

import re

import pytest

from tests.docs.pages import blocks, rows, section
from tests.servers_of_others.server import COMMON, PAGE, Server
from tests.servers_of_others.servers import SERVERS

TABLE = {re.sub(r"^\[(.+)\]\(.*", r"\1", row[0]): row for row in rows(section(PAGE, COMMON))}


def test_every_server_of_the_page_is_tested():
    headings = [block.heading for block in blocks(PAGE)]

    assert list(TABLE) == [server.heading for server in SERVERS]
    assert {COMMON, *TABLE} == set(headings)


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.heading)
def test_it_was_tested_with_what_the_page_says(server: Server):
    assert tuple(re.findall(r"`([^`]+)`", TABLE[server.heading][1])) == server.needs


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.heading)
def test_ten_lines_are_enough(server: Server):
    of_server = [block.text for block in blocks(PAGE) if block.heading == server.heading]
    lines = [line for text in of_server for line in text.splitlines() if line.strip()]

    assert 0 < len(lines) <= 10
    assert all(block.language == "python" for block in blocks(PAGE))


@pytest.mark.parametrize("server", SERVERS, ids=lambda server: server.heading)
def test_the_page_names_the_kind_of_messages_that_its_lines_declare(server: Server):
    of_server = "".join(block.text for block in blocks(PAGE) if block.heading == server.heading)
    [kind] = re.findall(r"`([^`]+)`", TABLE[server.heading][2])

    assert ('"messages": "http"' in of_server) is (kind == "http")
