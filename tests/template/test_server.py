"""import --server: the template confines a registered server, and its tokens open that server's endpoint."""

from __future__ import annotations

import json

import pytest

from mcp_guard.models import RegisteredServer, Token
from mcp_guard.template.present import awaits_approval
from mcp_guard.template.rows import Target
from tests.registry.conftest import served
from tests.registry.registering import add, approved, people
from tests.template.templates import SERVER_EXAMPLE, leaves, template

__all__ = ["served"]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("served")]

FILES = (str(SERVER_EXAMPLE), "--server", "files", "--client", "builds")
CONFINED = {
    "memory_mb": 128,
    "cpu_percent": 25,
    "hosts": ["api.example.com:443"],
    "writable": ["/srv/mcp/files"],
}


@pytest.fixture
def registered(served, db):
    people()
    return approved(memory_mb=512)


def confinement():
    return RegisteredServer.objects.values(*CONFINED).get()


def test_the_example_confines_the_server_and_issues_a_token_for_its_endpoint(run, take_over, registered):
    take_over(*FILES)
    result = run("import", *FILES, "--json")
    assert result.status == 0
    assert confinement() == CONFINED
    token = Token.objects.get()
    assert (token.endpoints, token.kind, token.client.name) == (["servers.files"], "server", "builds")
    assert result.data["tokens"][0]["token"].startswith("mcpg_")
    [row] = [row for row in result.data["rows"] if row["what"] == "server"]
    assert "memory_mb 512 becomes 128" in row["detail"]
    assert "hosts - becomes api.example.com:443" in row["detail"]
    assert result.data["warnings"] == ["files serves nobody until what “server show files” shows is approved"]


def test_a_dry_run_says_what_becomes_of_every_field_and_changes_nothing(run, take_over, registered):
    take_over(*FILES)
    before = confinement()
    for arguments in (FILES, (str(SERVER_EXAMPLE),)):
        result = run("import", *arguments, "--dry-run", "--json")
        assert result.status == 0
        fields = {row["field"] for row in result.data["fields"]}
        assert fields >= set(leaves(json.loads(SERVER_EXAMPLE.read_text("utf-8"))))
    assert confinement() == before
    assert not Token.objects.exists()


def test_what_holds_for_all_servers_is_said_to(run, registered):
    result = run("import", *FILES, "--dry-run", "--json")
    assert result.data["settings"]["missing"][0]["setting"].startswith("MCP_GUARD['SERVERS']")
    assert (
        "MCP_GUARD['SERVERS'] holds for all registered servers, not for this one alone"
        in result.data["warnings"]
    )


def test_a_narrower_confinement_needs_no_approval(run, take_over, write, registered):
    limits = {"resource_limits": {"max_memory_mb": 64}}
    path = write(template(websocket={"require_tls": True}, process_isolation=limits))
    take_over(path, "--server", "files")
    result = run("import", path, "--server", "files", "--json")
    assert (result.status, result.data["warnings"]) == (0, [])
    assert RegisteredServer.objects.get().memory_mb == 64
    assert [row["result"] for row in run("import", path, "--server", "files", "--json").data["rows"]] == [
        "kept"
    ]


def test_without_the_server_nothing_is_written(run, write):
    path = write(template(process_isolation={"network_access": False}))
    result = run("import", path, "--endpoint", "notes", "--json")
    assert result.fields == {
        "server": ["process_isolation is for a registered server: name it with --server"]
    }
    assert "--server" in run("import", path, "--endpoint", "notes", "--dry-run", "--json").err


def test_a_server_that_is_not_registered_is_refused(run, write):
    path = write(template(process_isolation={"network_access": False}))
    result = run("import", path, "--server", "nope", "--json")
    assert result.fields == {"mcp_server.process_isolation": ["there is no registered server nope"]}


def test_an_unconfined_server_is_refused(run, write, settings, registered):
    settings.MCP_GUARD = settings.MCP_GUARD | {"SERVERS_LEVEL": "unconfined"}
    add("loose", level="unconfined")
    path = write(template(process_isolation={"network_access": False}))
    result = run("import", path, "--server", "loose", "--json")
    assert "nothing of this would hold" in result.fields["mcp_server.process_isolation"][0]


def test_what_a_row_refuses_is_said_beside_the_section_and_nothing_is_written(run, write, registered):
    path = write(template(process_isolation={"writable_paths": ["/var/lib"]}))
    result = run("import", path, "--server", "files", "--json")
    assert "writable" in result.fields["mcp_server.process_isolation"][0]
    assert confinement()["writable"] == []


@pytest.mark.parametrize(
    ("arguments", "field"),
    [(("--server", "No"), "server"), (("--endpoint", "servers.files"), "endpoint")],
)
def test_names_that_are_none_are_refused(run, arguments, field):
    assert list(run("import", str(SERVER_EXAMPLE), *arguments, "--json").fields) == [field]


def test_only_a_server_awaits_an_approval(registered):
    target = Target("notes", "c", None, None, None)
    assert not awaits_approval(target)
    assert not awaits_approval(target._replace(server="files"))
    add("other")
    assert awaits_approval(target._replace(server="other"))
