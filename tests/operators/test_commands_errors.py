"""What a mistake looks like: exit status, stream, JSON, fields; and that nothing was changed."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import OperationalError

from mcp_guard.models import AuditEvent, Client, Revision
from mcp_guard.tokens import mint
from tests.operators.command_line import Run, lines_of, runner

pytestmark = pytest.mark.django_db

PARSE_ERRORS = [
    ([], "the following arguments are required: NOUN"),
    (["whitelist"], "invalid choice: 'whitelist'"),
    (["client"], "the following arguments are required: VERB"),
    (["client", "drop"], "invalid choice: 'drop'"),
    (["client", "add"], "the following arguments are required: name"),
    (["client", "add", "a", "b"], "unrecognized arguments: b"),
    (["client", "add", "a", "--own", "b"], "unrecognized arguments: --own b"),
    (["client", "list", "--verbosity", "9"], "invalid choice: 9"),
    (["token", "issue", "--client", "a"], "--name, --endpoint, --scope"),
    (["token", "revoke"], "one of the arguments id --client is required"),
    (["token", "revoke", "1", "--client", "a"], "not allowed with argument"),
    (["endpoint", "report-only", "notes", "--days", "1", "--until", "2d"], "not allowed with argument"),
    (["check", "--endpoint", "notes", "--token", "--token-file", "x"], "not allowed with argument"),
    (["status", "now"], "unrecognized arguments: now"),
]


@pytest.fixture
def run(monkeypatch) -> Run:
    return runner(monkeypatch)


def revision() -> int:
    return Revision.objects.values_list("n", flat=True).first() or 0


@pytest.mark.parametrize(("arguments", "text"), PARSE_ERRORS)
def test_arguments_that_cannot_be_parsed_exit_2_on_stderr(run, arguments, text):
    result = run(*arguments)
    assert (result.status, result.out) == (2, "")
    assert text in lines_of(result.err)[-1]


@pytest.mark.parametrize(("arguments", "text"), PARSE_ERRORS)
def test_arguments_that_cannot_be_parsed_are_one_json_object_on_stdout(run, arguments, text):
    result = run(*arguments, "--json")
    assert (result.status, result.err) == (2, "")
    assert result.fields == {}
    assert text in result.data["error"]["message"]


def test_the_usage_is_that_of_the_subcommand(run):
    assert run("client", "add").err.startswith("usage: manage.py mcp_guard client add [-h]")


@pytest.mark.parametrize(
    "arguments",
    [
        ("--json", "client", "list"),
        ("client", "--json", "list"),
        ("client", "list", "--json"),
        ("--verbosity", "0", "client", "list", "--json", "--no-color", "-v", "3"),
    ],
)
def test_json_and_djangos_options_stand_before_and_after_the_verb(run, arguments):
    result = run(*arguments)
    assert (result.status, result.data, result.err) == (0, [], "")


def test_a_field_error_is_one_line_on_stderr(run):
    run("client", "add", "partner")
    result = run("origin", "add", "app.example.com", "--client", "partner", "--endpoint", "nope", "other")
    assert (result.status, result.out) == (2, "")
    lines = lines_of(result.err)
    assert [line.partition(":")[0] for line in lines] == ["origin", "endpoints", "endpoints"]
    assert lines[0] == "origin: the scheme is missing; did you mean https://app.example.com?"


def test_a_field_error_names_its_field_in_json(run):
    run("client", "add", "partner")
    result = run("origin", "add", "null", "--client", "partner", "--endpoint", "nope", "--json")
    assert (result.status, result.err) == (2, "")
    assert set(result.fields) == {"origin", "endpoints"}
    assert "never let in" in result.fields["origin"][0]


def test_an_error_without_a_field_has_only_a_message(run):
    run("client", "add", "partner")
    run("origin", "add", "https://a.example", "--client", "partner", "--endpoint", "notes")
    result = run("client", "remove", "partner", "--json")
    assert (result.status, result.fields) == (2, {})
    assert "disable it instead" in result.data["error"]["message"]
    assert run("client", "remove", "partner").err.startswith("the client still owns")


def test_bad_input_changes_nothing(run):
    before = revision()
    assert run("client", "add", "not a slug").status == 2
    assert run("scope", "add", "all", "--grant", "*").status == 2
    assert run("client", "add", "partner", "--scope", "nope").status == 2
    assert (revision(), AuditEvent.objects.count(), Client.objects.count()) == (before, 0, 0)


def test_a_token_that_was_pasted_as_an_argument_is_not_repeated(run):
    text = mint()
    for arguments in (
        ["token", "revoke", text],
        ["token", "rotate", text],
        ["client", "set", text, "--owner", "x"],
        ["check", "--endpoint", "notes", "--token", text],
        ["endpoint", "enforce", text],
        ["token", "expiring", "--days", text],
        [text],
    ):
        for extra in ([], ["--json"]):
            result = run(*arguments, *extra)
            assert result.status == 2
            assert text[5:20] not in result.out + result.err


def test_text_that_is_not_utf8_is_refused_beside_its_field(run):
    result = run("client", "add", "partner", "--owner", "J\udce9", "--json")
    assert (result.status, result.fields) == (2, {"owner": ["this is not UTF-8"]})
    assert run("client", "add", "partner", "--scope", "a", "\udcff", "--json").fields == {
        "scope": ["this is not UTF-8"]
    }


def test_typed_text_cannot_reach_the_terminal_through_an_error(run):
    result = run("client", "disable", "a\x1b[2J\u202eb\nname: fine")
    assert lines_of(result.err) == ["name: there is no client “a\\x1b[2J\\u202eb\\x0aname: fine”"]


def test_a_failing_database_exits_1(run, monkeypatch):
    def fail(*_args, **_kwargs):
        raise OperationalError("no such table: mcp_guard_client\nLINE 1: SELECT")

    monkeypatch.setattr("mcp_guard.changes.add_client", fail)
    result = run("client", "add", "partner")
    assert (result.status, result.out) == (1, "")
    assert result.err == "the database failed: no such table: mcp_guard_client (has it been migrated?)\n"
    assert run("client", "add", "partner", "--json").fields == {}


def test_a_setting_that_cannot_be_used_exits_2(run, settings):
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "open"}}}
    result = run("endpoint", "list", "--json")
    assert (result.status, result.fields) == (2, {})
    assert "'open'" in result.data["error"]["message"]


def test_a_token_can_be_revoked_while_a_system_check_fails(run, settings):
    run("client", "add", "partner")
    run("scope", "add", "read", "--grant", "logging/setLevel")
    run("token", "issue", "--client", "partner", "--name", "n", "--endpoint", "notes", "--scope", "read")
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "open"}}}
    assert run("token", "revoke", "--client", "partner", "--json").data == {"client": "partner", "revoked": 1}


def test_traceback_shows_the_traceback(run):
    with pytest.raises(CommandError):
        run("client", "disable", "nobody", "--traceback")


def test_called_from_python_a_mistake_is_raised(capsys):
    with pytest.raises(CommandError) as raised:
        call_command("mcp_guard", "client", "disable", "nobody", "--json")
    assert raised.value.returncode == 2
    assert raised.value.fields == {"name": ["there is no client “nobody”"]}
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "actor"),
    [
        (["client", "add", "a"], "mcp_guard client add"),
        (["scope", "add", "s", "--grant", "x/y"], "mcp_guard scope add"),
    ],
)
def test_history_names_the_command_and_the_os_user(run, monkeypatch, arguments, actor):
    monkeypatch.setattr("mcp_guard.management.cli.call._os_user", lambda: "jo")
    before = revision()
    assert run(*arguments).status == 0
    event = AuditEvent.objects.get()
    assert (event.actor_label, event.revision) == (f"command {actor} by jo", before + 1)
    assert revision() == before + 1


def test_history_does_not_believe_the_environment(run, monkeypatch):
    monkeypatch.setenv("USER", "somebody-else")
    monkeypatch.setenv("LOGNAME", "somebody-else")
    run("client", "add", "partner")
    label = AuditEvent.objects.get().actor_label
    assert " by " in label
    assert "somebody-else" not in label
