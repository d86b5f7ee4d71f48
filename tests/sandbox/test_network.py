"""A box has no network; to hosts that are named there is one way out, and it leads nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from mcp_guard.sandbox import egress
from mcp_guard.sandbox.box import start
from mcp_guard.sandbox.command import Command
from mcp_guard.sandbox.confinement import ConfinementUnavailableError, Level
from tests.sandbox.machine import PYTHON, confinement

CLIENT = """
import http.client, os, sys
proxy = os.environ.get("HTTPS_PROXY", "")
host, _, port = proxy.removeprefix("http://").partition(":")
for line in sys.stdin:
    name, _, number = line.strip().rpartition(":")
    try:
        connection = http.client.HTTPConnection(host, int(port), timeout=20)
        connection.set_tunnel(name, int(number))
        connection.request("GET", "/hello")
        print(connection.getresponse().read().decode(), flush=True)
    except (OSError, ValueError) as error:
        print(f"refused: {error}", flush=True)
"""


async def _hello(reader, writer):
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello")
    await writer.drain()
    writer.close()


@asynccontextmanager
async def web():
    """A web server on the machine's loopback interface; the port that it listens on."""
    server = await asyncio.start_server(_hello, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def fetch(hosts, *targets, level=Level.REQUIRED):
    box = await start(Command(PYTHON, ("-c", CLIENT)), confinement(level, hosts=hosts))
    answers = []
    for one in targets:
        box.stdin.write(f"{one}\n".encode())
        answers.append((await asyncio.wait_for(box.stdout.readline(), 30)).decode().strip())
    await box.stop(1)
    return answers


@pytest.mark.sandbox
async def test_a_named_host_is_reached_through_the_proxy_and_no_other():
    async with web() as port, web() as other:
        answers = await fetch((f"127.0.0.1:{port}",), f"127.0.0.1:{port}", f"127.0.0.1:{other}")

    assert answers[0] == "hello"
    assert "403" in answers[1]


@pytest.mark.sandbox
async def test_a_name_that_leads_to_this_machine_is_refused():
    async with web() as port:
        [answer] = await fetch((f"localhost:{port}",), f"localhost:{port}")

    assert "403" in answer


@pytest.mark.sandbox
async def test_without_named_hosts_there_is_no_proxy():
    async with web() as port:
        [answer] = await fetch((), f"127.0.0.1:{port}")

    assert answer.startswith("refused")


@pytest.mark.sandbox
async def test_landlock_alone_offers_no_hosts():
    with pytest.raises(ConfinementUnavailableError, match="hosts"):
        await fetch(("api.example.com:443",), level=Level.LANDLOCK)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"CONNECT api.example.com:444 HTTP/1.1\r\n\r\n", "403"),
        (b"CONNECT api.example.com.:443 HTTP/1.1\r\n\r\n", "403"),
        (b"CONNECT api.example.com:0443 HTTP/1.1\r\n\r\n", "403"),
        (b"CONNECT user@api.example.com:443 HTTP/1.1\r\n\r\n", "403"),
        (b"GET http://api.example.com:443/ HTTP/1.1\r\n\r\n", "405"),
        (b"CONNECT api.example.com:443\r\n\r\n", "400"),
        (b"\xff\r\n\r\n", "400"),
    ],
)
def test_only_a_registered_name_and_port_is_a_target(head, status):
    with pytest.raises(egress._RefusedError, match=status):
        egress.target(head, frozenset({"api.example.com:443"}))


def test_the_case_of_a_name_does_not_matter():
    head = b"CONNECT API.example.com:443 HTTP/1.1\r\nHost: x\r\n\r\n"

    assert egress.target(head, frozenset({"api.example.com:443"})) == "api.example.com:443"


@pytest.mark.parametrize(
    "addresses",
    [
        ["127.0.0.1"], ["10.1.2.3"], ["192.168.0.1"], ["169.254.169.254"], ["100.64.0.1"], ["0.0.0.0"],
        ["224.0.0.1"], ["::1"], ["fe80::1%eth0"], ["fd00::1"], ["::ffff:127.0.0.1"], ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"], ["93.184.215.14", "10.0.0.1"], [],
    ],
)  # fmt: skip
async def test_a_name_with_one_address_that_is_not_public_is_refused(addresses, monkeypatch):
    async def found(*_args, **_kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 443)) for address in addresses]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)

    with pytest.raises(egress._RefusedError, match="403"):
        await egress.resolve("api.example.com:443")


async def test_a_public_address_is_taken_as_it_was_looked_at(monkeypatch):
    async def found(*_args, **_kwargs):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("93.184.215.14", 443))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", found)

    assert await egress.resolve("api.example.com:443") == ("93.184.215.14", 443)
    assert await egress.resolve("[::1]:8080") == ("::1", 8080)


@pytest.fixture
async def proxy(tmp_path):
    made = await egress.listen(("api.example.com:443",), str(tmp_path), (os.geteuid(), os.getegid()))
    yield made
    await made.close()


async def test_a_link_in_the_place_of_the_socket_gives_nobody_what_it_leads_to(tmp_path, monkeypatch):
    begin, given = asyncio.start_unix_server, []

    async def begin_and_be_tricked(accept, path, **options):
        server = await begin(accept, path, **options)
        os.unlink(path)  # noqa: PTH108
        os.symlink("/etc/shadow", path)  # noqa: PTH211
        return server

    def chown(path, user, group, *, follow_symlinks=True):
        given.append(Path(path).resolve() if follow_symlinks else Path(path))

    monkeypatch.setattr(asyncio, "start_unix_server", begin_and_be_tricked)
    monkeypatch.setattr(os, "chown", chown)
    made = await egress.listen(("api.example.com:443",), str(tmp_path), (1000, 1000))
    await made.close()

    assert given == [tmp_path / egress.SOCKET]


async def test_more_tunnels_than_there_may_be_are_closed_unheard(proxy):
    waiting = [await asyncio.open_unix_connection(proxy.path) for _ in range(egress.MOST_TUNNELS)]

    reader, writer = await asyncio.open_unix_connection(proxy.path)

    assert await asyncio.wait_for(reader.read(), 5) == b""
    assert proxy.refused == 1
    for _, one in (*waiting, (reader, writer)):
        one.close()


@pytest.mark.parametrize("said", [b"", b"CONNECT " + b"x" * 20_000])
async def test_a_request_that_does_not_end_is_ended(proxy, said, monkeypatch):
    monkeypatch.setattr(egress, "HEAD_SECONDS", 0.05)
    reader, writer = await asyncio.open_unix_connection(proxy.path)

    writer.write(said)

    with contextlib.suppress(ConnectionError):
        assert await asyncio.wait_for(reader.read(), 5) == b""
    writer.close()


async def test_a_tunnel_carries_no_more_than_it_may(monkeypatch):
    monkeypatch.setattr(egress, "TUNNEL_BYTES", 10)
    reader = asyncio.StreamReader()
    reader.feed_data(b"x" * 11)

    class Writer:
        written = b""

        def write(self, data):
            self.written += data

        async def drain(self):
            pass

    with pytest.raises(TimeoutError):
        await egress._carry(reader, Writer())


async def test_a_box_that_is_refused_is_told_so(proxy):
    reader, writer = await asyncio.open_unix_connection(proxy.path)

    writer.write(b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n")

    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert proxy.refused == 1
    writer.close()
