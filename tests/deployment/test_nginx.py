"""The nginx of the documentation before Daphne and uvicorn: what the site is told, and what it is spared."""

from __future__ import annotations

import json
import ssl
import time
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import ClientConnection, connect

from tests.deployment.nginx import HOST, Nginx, nginx_before
from tests.deployment.serving import Site, serving
from tests.deployment.site.views import FIRST, SECOND
from tests.deployment.wire import CALL, Client, answer, call_headers, events, message, request

pytestmark = pytest.mark.proxy

APP = "https://app.example"
MIB = 1024 * 1024


class Front(NamedTuple):
    """nginx before a site: who asks over TLS, in the clear, and at the site's own port."""

    nginx: Nginx
    site: Site
    tls: Client
    plain: Client
    direct: Client


@pytest.fixture(scope="module", params=["Daphne", "uvicorn"])
def started(request, tmp_path_factory) -> Iterator[Front]:
    folder = tmp_path_factory.mktemp("front")
    with serving(request.param, folder) as site, nginx_before(site.port, folder) as nginx:
        tls = Client(nginx.tls, nginx.certificate)
        yield Front(nginx, site, tls, Client(nginx.plain), Client(site.port))


@pytest.fixture
def front(started) -> Front:
    started.site.forget()
    return started


def until(found: Callable[[], object]) -> None:
    """Wait for what another process does at about the same time."""
    deadline = time.monotonic() + 10
    while not found():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def headers_of(site: Site) -> dict[str, list[str]]:
    """Return the headers of the one exchange that reached the site."""
    [reached] = site.reached
    found: dict[str, list[str]] = {}
    for name, value in reached["headers"]:
        found.setdefault(name, []).append(value)
    return found


class TestWhatTheSiteIsTold:
    def test_the_address_the_scheme_and_the_host_are_those_of_the_client(self, front):
        headers = [("Host", f"{HOST}:{front.nginx.tls}"), *call_headers(front.site.tokens[0])]
        answered = front.tls.ask("POST", "/mcp", headers, json.dumps(CALL).encode())
        assert (answered.status, front.site.ran) == (200, ["call"])
        told = headers_of(front.site)
        assert told["x-forwarded-for"] == ["127.0.0.1"]
        assert told["x-forwarded-proto"] == ["https"]
        assert told["host"] == [f"{HOST}:{front.nginx.tls}"]

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("X-Forwarded-For", "10.9.8.7"),
            ("X-Forwarded-Proto", "http"),
            ("X-Forwarded-Host", "evil.example"),
            ("X-Forwarded-Port", "6666"),
            ("X-Forwarded-Prefix", "/evil"),
            ("X-Forwarded-Protocol", "evil"),
            ("X-Forwarded-Ssl", "off"),
            ("X-Real-IP", "10.9.8.7"),
            ("Forwarded", "for=10.9.8.7;proto=http"),
            ("X_Forwarded_For", "10.9.8.7"),
            ("SCRIPT_NAME", "/evil"),
        ],
    )
    def test_what_the_client_says_of_itself_does_not_arrive(self, front, name, value):
        answered = front.tls.call(front.site.tokens[0], (name, value), (name, value))
        assert (answered.status, front.site.ran) == (200, ["call"])
        told = ",".join(given for values in headers_of(front.site).values() for given in values)
        assert value not in told.replace(" ", "").split(",")

    def test_daphnes_root_path_cannot_be_set_by_a_client(self, front):
        answered = front.tls.call(front.site.tokens[0], ("Daphne-Root-Path", "/evil"))
        assert (answered.status, front.site.ran) == (200, ["call"])
        assert "daphne-root-path" not in headers_of(front.site)
        assert front.site.reached[0]["root_path"] == ""

    @pytest.mark.parametrize("target", ["//mcp", "/%6dcp", "/./mcp", "/a/../mcp", "/mcp;x=1", "/mcp/"])
    def test_the_path_arrives_as_it_was_sent_and_no_other_spelling_opens(self, front, target):
        before = front.tls.call(front.site.tokens[0], target=target)
        assert before.status in {400, 404}
        assert (len(front.site.reached), front.site.ran) == (1, [])
        straight = front.direct.call(front.site.tokens[0], ("X-Forwarded-Proto", "https"), target=target)
        assert straight.status == before.status
        assert front.site.reached[0]["path"] == front.site.reached[1]["path"]

    def test_each_request_has_a_connection_of_its_own(self, front):
        ask = request("POST", "/mcp", [("Host", HOST), *call_headers(front.site.tokens[0])], b"{}")
        with front.tls.connected() as connection:
            for _ in range(3):
                connection.sendall(ask)
                assert answer(connection).status == 400
        assert len({line["port"] for line in front.site.reached}) == 3


class TestTls:
    def test_in_the_clear_nothing_is_passed_on(self, front):
        answered = front.plain.call(front.site.tokens[0], ("X-Forwarded-Proto", "https"))
        assert answered.status == 403
        assert "location" not in answered.headers
        assert front.site.lines == []

    def test_at_the_sites_own_port_only_the_trusted_proxy_can_say_that_it_was_tls(self, front):
        said = ("X-Forwarded-Proto", "https")
        token = front.site.tokens[0]
        assert Client(front.site.port, source="127.0.0.2").call(token, said).status == 403
        assert front.direct.call(token).status == 403
        assert [line["peer"] for line in front.site.reached] == ["127.0.0.2", "127.0.0.1"]
        assert front.site.ran == []
        assert front.direct.call(token, said).status == 200

    @pytest.mark.parametrize("name", ["evil.example", "app.example"])
    def test_a_name_that_is_not_the_sites_gets_no_handshake(self, front, name):
        with pytest.raises(ssl.SSLError, match="unrecognized"), front.tls.connected(name):
            pass
        assert front.site.lines == []


class TestHost:
    @pytest.mark.parametrize("target", ["/mcp", "https://evil.example/mcp"])
    def test_another_host_is_turned_away(self, front, target):
        host = "evil.example" if target == "/mcp" else HOST
        body = json.dumps(CALL).encode()
        headers = [("Host", host), *call_headers(front.site.tokens[0])]
        assert front.tls.ask("POST", target, headers, body).status == 421
        assert front.site.lines == []

    @pytest.mark.parametrize("hosts", [[], [HOST, HOST], [HOST, "evil.example"]])
    def test_no_host_and_two_hosts_are_malformed(self, front, hosts):
        headers = [*(("Host", host) for host in hosts), *call_headers(front.site.tokens[0])]
        assert front.tls.ask("POST", "/mcp", headers, b"{}").status == 400
        assert front.site.lines == []


class TestLogs:
    SECRET = "mcpg_" + "A" * 20

    @pytest.mark.parametrize(("length", "status"), [(100, 401), (5 * MIB, 413)])
    def test_no_log_has_the_query(self, front, length, status):
        headers = [("Host", HOST), ("Content-Type", "application/json"), ("Content-Length", str(length))]
        head = request("POST", f"/mcp?access_token={self.SECRET}&n={length}", headers)
        with front.tls.connected() as connection:
            connection.sendall(head + b"x" * min(length, 100))
            assert answer(connection).status == status
        line = f" POST /mcp {status} "
        until(lambda: line in front.nginx.access_log)
        server_log = front.site.child.log.read_text("utf-8", "replace")
        for log in (front.nginx.access_log, front.nginx.error_log, server_log):
            assert self.SECRET not in log
            assert "access_token" not in log

    def test_a_log_line_cannot_be_forged(self, front):
        answered = front.tls.ask("GET", "/a%0d%0ab", [("Host", HOST), ("User-Agent", 'x" 1.2.3.4 "')])
        assert answered.status == 404
        until(lambda: "/a%0d%0a" in front.nginx.access_log)
        assert '"x\\x22 1.2.3.4 \\x22"' in front.nginx.access_log


class TestBodies:
    def test_the_largest_body_of_an_endpoint_passes(self, front):
        body = json.dumps(CALL).encode().ljust(4 * MIB)
        answered = front.tls.call(front.site.tokens[0], body=body)
        assert (answered.status, front.site.ran) == (200, ["call"])
        assert json.loads(answered.body)["result"] == {"bytes": 4 * MIB}

    def test_a_longer_one_never_reaches_the_site(self, front):
        headers = [("Host", HOST), *call_headers(front.site.tokens[0]), ("Content-Length", str(4 * MIB + 1))]
        assert front.tls.send(request("POST", "/mcp", headers) + b"{").status == 413
        assert front.site.lines == []

    def test_nor_does_one_that_does_not_say_how_long_it_is(self, front):
        headers = [("Host", HOST), *call_headers(front.site.tokens[0]), ("Transfer-Encoding", "chunked")]
        chunk = b"100000\r\n" + b" " * MIB + b"\r\n"
        with front.tls.connected() as connection:
            connection.sendall(request("POST", "/mcp", headers))
            try:
                for _ in range(5):
                    connection.sendall(chunk)
            except (ConnectionError, ssl.SSLError):  # it was answered before its end
                pass
            assert answer(connection).status in {413, 0}
        until(lambda: " POST /mcp 413 " in front.nginx.access_log)
        assert front.site.lines == []

    def test_nor_one_of_two_lengths(self, front):
        headers = [("Host", HOST), *call_headers(front.site.tokens[0]), ("Transfer-Encoding", "chunked")]
        smuggled = request("POST", "/mcp", [("Host", HOST), *call_headers(front.site.tokens[0])], b"{}")
        assert front.tls.ask("POST", "/mcp", headers, b"0\r\n\r\n" + smuggled).status == 400
        assert front.site.lines == []

    def test_the_refusal_of_a_large_one_arrives(self, front):
        answered = front.tls.call("mcpg_unknown", body=b" " * (2 * MIB))
        assert (answered.status, front.site.ran) == (401, [])

    def test_one_that_has_not_come_to_its_end_is_not_the_sites_matter(self, front):
        head = request("POST", "/mcp", [("Host", HOST), ("Content-Length", str(MIB))])
        with front.tls.connected() as connection:
            connection.sendall(head + b" " * (MIB - 1))
            time.sleep(0.3)
            assert front.site.lines == []
            connection.sendall(b" ")
            assert answer(connection).status == 401
        assert (len(front.site.reached), front.site.ran) == (1, [])

    def test_without_nginx_it_is_up_to_the_server(self, front):
        """Daphne keeps the whole body before anybody is asked; uvicorn hands the head over at once."""
        head = request("POST", "/mcp", [("Host", HOST), ("Content-Length", str(8 * MIB))])
        with front.direct.connected() as connection:
            connection.sendall(head + b" " * MIB)
            if "daphne" in front.site.child.process.args[0]:
                time.sleep(0.5)
                assert front.site.lines == []
            else:
                assert answer(connection).status == 403
                assert len(front.site.reached) == 1


class TestStreams:
    def test_an_event_arrives_before_the_next_one_is_sent(self, front):
        headers = [("Host", HOST), ("Authorization", f"Bearer {front.site.tokens[0]}")]
        with front.tls.connected() as connection:
            connection.sendall(request("GET", "/mcp/events", headers))
            coming = events(connection)
            assert next(coming) == FIRST
            assert not front.site.release.exists()
            front.site.release.touch()
            assert next(coming) == SECOND
        assert front.site.ran == ["events"]

    def socket(self, front: Front, origin: str) -> ClientConnection:
        return connect(
            f"wss://{HOST}:{front.nginx.tls}/ws/mcp",
            address=("127.0.0.1", front.nginx.tls),
            ssl=front.tls.trust,
            server_hostname=HOST,
            origin=origin,
            subprotocols=["mcp"],
            additional_headers={"Authorization": f"Bearer {front.site.browser}"},
            proxy=None,
        )

    def test_a_websocket_is_upgraded_and_its_messages_answered(self, front):
        with self.socket(front, APP) as socket:
            socket.send(message(7))
            assert json.loads(socket.recv(10))["id"] == 7
        assert front.site.ran == ["socket"]
        assert headers_of(front.site)["x-forwarded-proto"] == ["https"]

    def test_a_foreign_page_opens_none(self, front):
        with pytest.raises(InvalidStatus) as refused:
            self.socket(front, "https://evil.example")
        assert refused.value.response.status_code == 403
        assert (len(front.site.reached), front.site.ran) == (1, [])

    @pytest.mark.parametrize("protocol", ["h2c", "websocket, h2c", "TLS/1.0"])
    def test_no_other_protocol_is_switched_to(self, front, protocol):
        more = (("Upgrade", protocol), ("Connection", "Upgrade, HTTP2-Settings"), ("HTTP2-Settings", "x"))
        assert front.tls.call(front.site.tokens[0], *more).status == 200
        assert not {"upgrade", "connection"} & headers_of(front.site).keys()


def test_metrics_are_for_the_machine_itself(front):
    assert front.tls.ask("GET", "/metrics", [("Host", HOST)]).status == 404
    assert front.site.lines == []
    found = front.direct.ask("GET", "/metrics", [("Host", HOST)])
    assert (found.status, b"mcp_guard_policy_revision" in found.body) == (200, True)


def test_health_passes(front):
    assert front.tls.ask("GET", "/healthz", [("Host", HOST)]).status == 200
