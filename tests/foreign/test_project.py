"""A stranger's project, guarded by the README alone: a client in and a hijack out, under every server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from websockets.sync.client import connect

from tests.docs.project import SERVER, VIEW
from tests.environments import Environment, make_environment
from tests.foreign.project import Project, start_project

pytestmark = pytest.mark.packaging

LISTED = "https://app.example.com"
FOREIGN = "https://evil.example"


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: Any) -> Environment:
    folder = tmp_path_factory.mktemp("environment")
    return make_environment(folder, f"{wheel}[mcp,daphne]", "uvicorn", "websockets", "gunicorn")


@pytest.fixture(scope="module")
def server_project(environment: Environment, tmp_path_factory: Any) -> Project:
    return start_project(environment, tmp_path_factory.mktemp("server"), SERVER)


@pytest.fixture(scope="module")
def view_project(environment: Environment, tmp_path_factory: Any) -> Project:
    return start_project(environment, tmp_path_factory.mktemp("view"), VIEW)


@pytest.fixture(params=["Daphne", "uvicorn"])
def served(request: Any, server_project: Project) -> Iterator[Project]:
    with server_project.served_by(request.param):
        yield server_project


@pytest.fixture(params=["Daphne", "uvicorn", "gunicorn"])
def served_view(request: Any, view_project: Project) -> Iterator[Project]:
    with view_project.served_by(request.param):
        yield view_project


def test_the_package_is_the_installed_one(environment: Environment, tmp_path: Path):
    printed = environment.run("python", "-c", "import mcp_guard; print(mcp_guard.__file__)", folder=tmp_path)

    assert Path(printed.strip()).is_relative_to(environment.folder)


def test_clients_get_in(served: Project):
    before = len(served.ran)
    called = served.curl(token=served.tokens[0])
    script = str(Path(__file__).with_name("client.py"))
    url = f"http://127.0.0.1:{served.port}/mcp"
    by_sdk = served.environment.run("python", script, url, served.tokens[0], folder=served.folder)
    with connect(f"ws://127.0.0.1:{served.port}/ws/mcp", origin=LISTED, subprotocols=["mcp"]) as socket:
        socket.send(
            json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping", "auth": {"bearer": served.tokens[1]}})
        )
        pong = json.loads(socket.recv(10))

    assert called.status == 200
    assert "This is note 1." in called.body
    assert by_sdk.strip() == "This is note 1."
    assert pong == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert served.ran[before:] == ["tools/call"] * 2


def test_hijacks_stay_out(served: Project):
    before = len(served.ran)
    cookie = ("-H", f"Cookie: sessionid={served.session}")
    by_http = served.curl(*cookie, "-H", f"Origin: {FOREIGN}")

    assert served.handshake(FOREIGN) == 403
    assert served.handshake(LISTED) == 101
    assert by_http.status == 403
    refused(served)
    assert served.ran[before:] == []


def test_a_view_is_guarded_too(served_view: Project):
    before = len(served_view.ran)
    called = served_view.curl(token=served_view.tokens[0])

    assert called.status == 200
    assert json.loads(called.body)["client"] == "partner"
    assert "mcpg_" not in called.body
    refused(served_view)
    assert served_view.ran[before:] == ["tools/call"]


def refused(project: Project) -> None:
    """Assert that what the README says is refused is."""
    token = project.tokens[0]
    foreign = project.curl("-H", f"Origin: {FOREIGN}")
    stolen = project.curl("-H", f"Origin: {FOREIGN}", token=token)
    ungranted = project.curl(token=token, replaced=("read_note", "delete_note"))

    assert [project.curl().status, foreign.status, stolen.status, ungranted.status] == [401, 403, 403, 403]
    assert "Insufficient scope" in ungranted.body
