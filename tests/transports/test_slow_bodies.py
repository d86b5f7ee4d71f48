"""Bodies on real servers: a refused one is answered before it is read, a slow one is given up on.

Daphne keeps a body until it is whole before it asks anybody, so this is about uvicorn. What a proxy does
for both is tried in tests/deployment.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from typing import Any

import pytest

from tests.child import SERVERS, serving
from tests.ports import free_port
from tests.rows.exchanges import call
from tests.rows.world import SERVER
from tests.transports.test_servers import APP, run

MIB = 1 << 20
SECONDS = 10.0


@pytest.fixture(scope="module")
def port(tmp_path_factory: Any) -> Iterator[int]:
    folder = tmp_path_factory.mktemp("bodies")
    environment = {
        "DJANGO_SETTINGS_MODULE": "tests.transports.site.settings",
        "DATABASE_URL": f"sqlite:///{folder / 'db.sqlite3'}",
        "SITE_BODY_SECONDS": "0.5",
    }
    run("-m", "tests.transports.site", "prepare", environment=environment)
    port = free_port()
    with serving(*SERVERS["uvicorn"], str(port), APP, port=port, log=folder / "log", environment=environment):
        yield port


def head(*lines: str, length: int = 100 * MIB) -> bytes:
    top = ["POST /guard/partner/mcp HTTP/1.1", "Host: localhost", "Content-Type: application/json"]
    return "\r\n".join([*top, f"Content-Length: {length}", *lines, "", ""]).encode()


def answer(connection: socket.socket) -> tuple[int, Any]:
    response = HTTPResponse(connection)
    response.begin()
    return response.status, json.loads(response.read())


@pytest.mark.parametrize("expects", [(), ("Expect: 100-continue",)])
@pytest.mark.parametrize(
    ("lines", "status"),
    [
        (("Origin: https://evil.example",), 403),
        (("Authorization: Bearer mcpg_wrong",), 401),
        ((f"Authorization: Bearer {SERVER.text}",), 413),
    ],
)
def test_a_refusal_comes_before_the_body(port: int, expects: Any, lines: Any, status: int):
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(head(*lines, *expects))

        found, said = answer(connection)

        assert (found, said["jsonrpc"]) == (status, "2.0")


def test_the_connection_serves_the_next_request_once_the_refused_body_is_out(port: int):
    body = call().encode()
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(head("Origin: https://evil.example", length=4 * MIB))
        assert answer(connection)[0] == 403
        connection.sendall(b" " * (4 * MIB))
        connection.sendall(head(f"Authorization: Bearer {SERVER.text}", length=len(body)) + body)

        assert answer(connection)[0] == 200


def test_a_body_that_takes_too_long_is_given_up_on(port: int):
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as connection:
        connection.sendall(head(f"Authorization: Bearer {SERVER.text}", length=100) + b"{")

        found, said = answer(connection)

        assert (found, said["error"]["message"]) == (408, "Timed out")
