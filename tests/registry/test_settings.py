"""Settings of registered servers: what contradicts itself is said, and what checks say of rows."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_guard import changes, conf
from mcp_guard.checks.servers import check_registered, check_servers
from mcp_guard.conf import ProblemKind
from mcp_guard.models import RegisteredServer
from mcp_guard.policy.endpoint import Profile
from mcp_guard.policy.registration import Level
from mcp_guard.writing import policy_write
from tests.registry.registering import ADA, add, approve, approved

TOKEN = {"profile": "token"}


def parsed(settings, **values: Any) -> conf.Config:
    settings.MCP_GUARD = {"ENDPOINTS": {}, **values}
    return conf.parse()


def problems(settings, **values: Any) -> list[tuple[ProblemKind, str]]:
    return [(each.kind, each.where) for each in parsed(settings, **values).problems]


def test_without_the_setting_there_is_nothing_to_serve(settings):
    found = parsed(settings).servers

    assert (found.endpoint, found.need_approval, found.level) == (None, True, Level.REQUIRED)
    assert found.made_for("servers.files") is None


def test_while_developing_one_person_is_enough(settings):
    settings.DEBUG = True

    assert parsed(settings).servers.need_approval is False


@pytest.mark.parametrize(
    ("values", "kind", "where"),
    [
        ({"SERVERS": []}, ProblemKind.MALFORMED, "MCP_GUARD['SERVERS']"),
        ({"SERVERS": {}}, ProblemKind.UNKNOWN_PROFILE, "MCP_GUARD['SERVERS']['profile']"),
        ({"SERVERS": TOKEN | {"x": 1}}, ProblemKind.UNKNOWN_KEY, "MCP_GUARD['SERVERS']['x']"),
        ({"SERVERS": {"profile": "local"}}, ProblemKind.CONTRADICTION, "MCP_GUARD['SERVERS']['profile']"),
        (
            {"SERVERS": TOKEN | {"messages": "http"}},
            ProblemKind.CONTRADICTION,
            "MCP_GUARD['SERVERS']['messages']",
        ),
        (
            {"SERVERS": TOKEN | {"forward_authorization": True}},
            ProblemKind.CONTRADICTION,
            "MCP_GUARD['SERVERS']['forward_authorization']",
        ),
        (
            {"SERVERS": TOKEN, "ENDPOINTS": {"servers": TOKEN}},
            ProblemKind.CONTRADICTION,
            "MCP_GUARD['ENDPOINTS']",
        ),
        (
            {"SERVERS": TOKEN, "ENDPOINTS": {"servers.files": TOKEN}},
            ProblemKind.CONTRADICTION,
            "MCP_GUARD['ENDPOINTS']",
        ),
        ({"SERVERS_LEVEL": "none"}, ProblemKind.MALFORMED, "MCP_GUARD['SERVERS_LEVEL']"),
        ({"SERVERS_NEED_APPROVAL": 0}, ProblemKind.MALFORMED, "MCP_GUARD['SERVERS_NEED_APPROVAL']"),
        ({"SERVER_ROWS": 0}, ProblemKind.MALFORMED, "MCP_GUARD['SERVER_ROWS']"),
    ],
)
def test_a_mistake_is_said_with_its_place(settings, values, kind, where):
    assert (kind, where) in problems(settings, **values)


def test_a_declared_endpoint_may_have_such_a_name_where_nothing_is_served(settings):
    assert problems(settings, ENDPOINTS={"servers": TOKEN, "servers.files": TOKEN}) == []


def test_an_endpoint_has_what_the_setting_says_and_is_one_object(settings):
    parsed(settings, SERVERS={"profile": "partner", "limits": {"calls_per_principal": 3}})

    found = conf.endpoint("servers.files")

    assert (found.name, found.profile, found.limits.calls_per_principal) == (
        "servers.files",
        Profile.PARTNER,
        3,
    )
    assert conf.endpoint("servers.files") is found
    assert conf.endpoint("servers.mail") is not found


@pytest.mark.parametrize(
    "name", ["servers.", "servers.A", "servers.a.b", "servers.a/b", "server.a", "servers.a\n"]
)
def test_only_names_of_the_grammar_have_one(settings, name):
    servers = parsed(settings, SERVERS=TOKEN).servers

    assert servers.made_for(name) is None


def test_however_many_names_are_asked_for_few_are_remembered(settings):
    servers = parsed(settings, SERVERS=TOKEN).servers
    for number in range(5_000):
        assert servers.made_for(f"servers.s{number}") is not None

    assert len(servers.made) <= 2_000


def ids(messages) -> list[str]:
    return [message.id for message in messages]


def test_a_deployment_is_warned_of_what_is_loose(settings):
    parsed(settings, SERVERS=TOKEN, SERVERS_LEVEL="unconfined", SERVERS_NEED_APPROVAL=False)
    loose = ids(check_servers())
    parsed(settings, SERVERS_LEVEL="unconfined", SERVERS_NEED_APPROVAL=False)

    assert loose == ["mcp_guard.W040", "mcp_guard.W041"]
    assert check_servers() == []


def test_a_server_whose_program_is_gone_is_named(policy, tmp_path):
    program = tmp_path / "server"
    program.write_text("")
    program.chmod(0o755)
    approve(add(executable=str(program)))
    before = check_registered(["default"])
    program.unlink()

    [message] = check_registered(["default"])
    changes.set_server(ADA, RegisteredServer.objects.get(), enabled=False)

    assert before == []
    assert message.id == "mcp_guard.W042"
    assert message.msg == f"Registered server files: executable: {program}: No such file or directory."
    assert check_registered(["default"]) == []
    assert check_registered(["another"]) == []


def test_a_row_that_cannot_be_used_is_named(policy):
    approved()
    with policy_write():
        RegisteredServer.objects.update(hosts=7)

    assert ids(check_registered(["default"])) == ["mcp_guard.W042"]
