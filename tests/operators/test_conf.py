"""The setting MCP_GUARD: what can be said, what is wrong with it and where, and when it is read again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest
from django.conf import settings as project
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from mcp_guard import conf
from mcp_guard.conf import ProblemKind
from mcp_guard.policy.endpoint import (
    AuditCalls,
    Carrier,
    Endpoint,
    HostRules,
    Messages,
    MissingOrigin,
    Profile,
)
from mcp_guard.policy.limits import Limits

MALFORMED, UNKNOWN, PROFILE, CONTRADICTION, NO_HOSTS = (
    ProblemKind.MALFORMED,
    ProblemKind.UNKNOWN_KEY,
    ProblemKind.UNKNOWN_PROFILE,
    ProblemKind.CONTRADICTION,
    ProblemKind.NO_HOSTS,
)
UNTIL = datetime.now(UTC).replace(microsecond=0) + timedelta(days=13)
AHEAD = (datetime.now(UTC) + timedelta(days=15)).isoformat()

SAID = {
    "profile": "token",
    "hosts": ["API.example.com:8443"],
    "methods": ["POST", "OPTIONS"],
    "missing_origin": {"http": "refuse", "ws": "bearer"},
    "any_origin": True,
    "ws_credentials": ["message"],
    "token_every_message": True,
    "token_header": "X-MCP-Auth-Token",
    "public_scopes": ["guest"],
    "require_tls": True,
    "limits": {
        "body_bytes": 2048,
        "body_seconds": 1.5,
        "message_bytes": 4096,
        "first_message_seconds": 0.5,
        "messages_per_second": 7,
        "in_flight_bytes": 8192,
        "idle_seconds": 60,
        "socket_seconds": 600,
        "send_seconds": 2,
        "call_seconds": 20,
        "sockets_per_principal": 3,
        "calls_per_principal": 4,
        "streams_per_principal": 5,
        "list_bytes": 65536,
        "tickets": 6,
    },
    "report_only": UNTIL.isoformat(),
    "extra_headers": ["X-Trace"],
    "audit_calls": "calls",
}
"""Every key of an endpoint away from its default, but for those that contradict some of these."""

LOCAL = {"profile": "local", "local_scopes": ["guest"], "nonce_query": True}
STRICT = {"profile": "local", "require_nonce": True}


def problems(guard, **settings):
    """Return the problems of a whole setting as kind and text, the way a check says them."""
    with override_settings(MCP_GUARD=guard, **settings):
        return [(p.kind, f"{p.where} {p.text}") for p in conf.parse().problems]


def problems_of(values, **settings):
    """Return the problems of one endpoint, without the place that all of them begin with."""
    place = "MCP_GUARD['ENDPOINTS']['e']"
    found = problems({"ENDPOINTS": {"e": values}}, **settings)
    assert all(text.startswith(place) for _, text in found)
    return [(kind, text.removeprefix(place)) for kind, text in found]


def built(values, **settings) -> Endpoint:
    guard = {"ENDPOINTS": {"e": {"profile": "partner"} | values}}
    with override_settings(MCP_GUARD=guard | settings.pop("guard", {}), **settings):
        return conf.endpoint("e")


def hosts(*named, **settings) -> HostRules:
    return built({}, ALLOWED_HOSTS=list(named), **settings).hosts


@pytest.mark.parametrize(
    ("guard", "kind", "text"),
    [
        (None, MALFORMED, "MCP_GUARD is None, not a dict"),
        ([], MALFORMED, "MCP_GUARD is [], not a dict"),
        ({"ENDPOINT": {}}, UNKNOWN, "MCP_GUARD['ENDPOINT'] is not a setting"),
        ({1: {}}, UNKNOWN, "MCP_GUARD['1'] is not a setting"),
        ({"ENDPOINTS": ["e"]}, MALFORMED, "MCP_GUARD['ENDPOINTS'] is ['e'], not a dict of endpoints"),
        (
            {"ENDPOINTS": {"e": "token"}},
            MALFORMED,
            "MCP_GUARD['ENDPOINTS']['e'] is 'token', not a dict",
        ),
        (
            {"ENDPOINTS": {"E": {"profile": "token"}}},
            MALFORMED,
            "MCP_GUARD['ENDPOINTS']['E'] is not a name: lower case, digits, . _ -",
        ),
        (
            {"ENDPOINTS": {7: {"profile": "token"}}},
            MALFORMED,
            "MCP_GUARD['ENDPOINTS'][7] is not a name: lower case, digits, . _ -",
        ),
        (
            {"TRUSTED_PROXIES": "10.0.0.1"},
            MALFORMED,
            "MCP_GUARD['TRUSTED_PROXIES'] is '10.0.0.1', not a list of strings",
        ),
        (
            {"TRUSTED_PROXIES": ["10.0.0.1/8"]},
            MALFORMED,
            "MCP_GUARD['TRUSTED_PROXIES'] has '10.0.0.1/8': 10.0.0.1/8 has host bits set",
        ),
        (
            {"TRUSTED_PROXIES": ["proxy"]},
            MALFORMED,
            "MCP_GUARD['TRUSTED_PROXIES'] has 'proxy': 'proxy' does not appear to be an IPv4 or IPv6 network",
        ),
        ({"ROOT_PATHS": "/app"}, MALFORMED, "MCP_GUARD['ROOT_PATHS'] is '/app', not a list of strings"),
        ({"MAX_AGE": 2}, MALFORMED, "MCP_GUARD['MAX_AGE'] is 2, not a number from 3 to 300"),
        ({"MAX_AGE": "10"}, MALFORMED, "MCP_GUARD['MAX_AGE'] is '10', not a number from 3 to 300"),
        ({"MAX_AGE": True}, MALFORMED, "MCP_GUARD['MAX_AGE'] is True, not a number from 3 to 300"),
        ({"MAX_AGE": float("nan")}, MALFORMED, "MCP_GUARD['MAX_AGE'] is nan, not a number from 3 to 300"),
        ({"POLL_INTERVAL": 0}, MALFORMED, "MCP_GUARD['POLL_INTERVAL'] is 0, not a number from 0.05 to 60"),
        ({"PUSH": "no"}, MALFORMED, "MCP_GUARD['PUSH'] is 'no', not True or False"),
        ({"SHARED_COUNTER": 0}, MALFORMED, "MCP_GUARD['SHARED_COUNTER'] is 0, not True or False"),
        ({"TOKEN_DAYS": 0}, MALFORMED, "MCP_GUARD['TOKEN_DAYS'] is 0, not a whole number from 1 to 3650"),
        ({"TOKEN_DAYS": 1.5}, MALFORMED, "MCP_GUARD['TOKEN_DAYS'] is 1.5, not a whole number from 1 to 3650"),
        (
            {"TOKEN_MAX_DAYS": 9999},
            MALFORMED,
            "MCP_GUARD['TOKEN_MAX_DAYS'] is 9999, not a whole number from 1 to 3650",
        ),
        (
            {"TOKEN_DAYS": 91},
            CONTRADICTION,
            "MCP_GUARD['TOKEN_DAYS'] is 91, more than TOKEN_MAX_DAYS, which is 90",
        ),
        (
            {"TOKEN_MAX_DAYS": 30},
            CONTRADICTION,
            "MCP_GUARD['TOKEN_DAYS'] is 90, more than TOKEN_MAX_DAYS, which is 30",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(guard, kind, text):
    assert problems(guard) == [(kind, text)]


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ({}, PROFILE, "['profile'] is None, not a profile"),
        ({"profile": "Token"}, PROFILE, "['profile'] is 'Token', not a profile"),
        ({"profile": ["token"]}, PROFILE, "['profile'] is ['token'], not a profile"),
        ({"profile": "token", "Hosts": []}, UNKNOWN, "['Hosts'] is not a setting"),
        (
            {"profile": "token", "hosts": ["https://api.example.com", "api.example.com"]},
            MALFORMED,
            "['hosts'] names 'https://api.example.com', which is not a host",
        ),
        (
            {"profile": "token", "hosts": ["api.example.com", "bücher.example"]},
            MALFORMED,
            "['hosts'] names 'bücher.example', which is not a host",
        ),
        (
            {"profile": "token", "hosts": ["api.example.com:0", "api.example.com"]},
            MALFORMED,
            "['hosts'] names 'api.example.com:0', which is not a host",
        ),
        ({"profile": "token", "hosts": []}, NO_HOSTS, "['hosts'] names no host (from hosts = [])"),
        ({"profile": "token", "hosts": ["*"]}, NO_HOSTS, "['hosts'] names no host (from hosts = ['*'])"),
        (
            {"profile": "token", "methods": ["post"]},
            MALFORMED,
            "['methods'] has 'post', not a method in upper case",
        ),
        ({"profile": "token", "methods": "POST"}, MALFORMED, "['methods'] is 'POST', not a list of strings"),
        (
            {"profile": "token", "messages": "json"},
            MALFORMED,
            "['messages'] is 'json', not one of 'mcp', 'http'",
        ),
        (
            {"profile": "token", "missing_origin": "bearer"},
            MALFORMED,
            "['missing_origin'] is 'bearer', not a dict with 'http' and 'ws'",
        ),
        (
            {"profile": "token", "missing_origin": {"http": "allow"}},
            MALFORMED,
            "['missing_origin']['http'] is 'allow', not one of 'bearer', 'refuse'",
        ),
        (
            {"profile": "token", "missing_origin": {"wss": "bearer"}},
            UNKNOWN,
            "['missing_origin']['wss'] is not a setting",
        ),
        ({"profile": "token", "any_origin": 1}, MALFORMED, "['any_origin'] is 1, not True or False"),
        (
            {"profile": "token", "ws_credentials": ["query"]},
            MALFORMED,
            "['ws_credentials'] has 'query', not one of header, message, ticket, subprotocol",
        ),
        (
            {"profile": "token", "token_header": "X_Token"},
            MALFORMED,
            "['token_header'] is 'X_Token', not the name of a header, without _",
        ),
        *(
            (
                {"profile": "token", "token_header": name},
                MALFORMED,
                f"['token_header'] is {name!r}, which already has a meaning",
            )
            for name in ("Authorization", "Cookie", "Origin", "Mcp-Session-Id", "X-Forwarded-For")
        ),
        (
            {"profile": "token", "public_scopes": "guest"},
            MALFORMED,
            "['public_scopes'] is 'guest', not a list of strings",
        ),
        (
            {"profile": "token", "extra_headers": ["X-Trace", "*"]},
            MALFORMED,
            "['extra_headers'] has '*', not the name of a header",
        ),
        (
            {"profile": "token", "report_only": "soon"},
            MALFORMED,
            "['report_only'] is 'soon', not an ISO date such as '2030-01-31'",
        ),
        (
            {"profile": "token", "report_only": True},
            MALFORMED,
            "['report_only'] is True, not an ISO date such as '2030-01-31'",
        ),
        pytest.param(
            {"profile": "token", "report_only": AHEAD},
            MALFORMED,
            f"['report_only'] is {AHEAD!r}, more than 14 days ahead",
            id="report_only more than 14 days ahead",
        ),
        ({"profile": "token", "limits": 5}, MALFORMED, "['limits'] is 5, not a dict of bounds"),
        ({"profile": "token", "limits": {"body": 5}}, UNKNOWN, "['limits']['body'] is not a setting"),
        (
            {"profile": "token", "limits": {"body_bytes": 100}},
            MALFORMED,
            "['limits']['body_bytes'] is 100, not a whole number from 1024 to 1073741824",
        ),
        (
            {"profile": "token", "limits": {"message_bytes": "1M"}},
            MALFORMED,
            "['limits']['message_bytes'] is '1M', not a whole number from 1024 to 16777216",
        ),
        (
            {"profile": "token", "limits": {"first_message_seconds": 0}},
            MALFORMED,
            "['limits']['first_message_seconds'] is 0, not a number from 0.1 to 60",
        ),
    ],
)
def test_a_mistake_of_an_endpoint_is_named_with_its_place(values, kind, text):
    assert problems_of(values) == [(kind, text)]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"profile": "partner", "any_origin": True}, "has any_origin with the profile 'partner'"),
        ({"profile": "backend", "public_scopes": ["x"]}, "has public_scopes with the profile 'backend'"),
        (
            {"profile": "same-origin", "forward_authorization": True},
            "has forward_authorization with the profile 'same-origin'",
        ),
        (
            {"profile": "public", "forward_authorization": True},
            "has forward_authorization with the profile 'public'",
        ),
        (
            {"profile": "token", "forward_authorization": True, "token_every_message": True},
            "has forward_authorization together with token_every_message",
        ),
        (
            {"profile": "token", "token_every_message": True, "ws_credentials": ["header"]},
            "has token_every_message, but ws_credentials leaves out 'message'",
        ),
        ({"profile": "public", "token_header": "X-Token"}, "has a token setting with the profile 'public'"),
        (
            {"profile": "public", "token_every_message": True},
            "has a token setting with the profile 'public'",
        ),
        (
            {"profile": "token", "methods": ["GET", "HEAD", "POST", "PUT", "PURGE"]},
            "has methods that MCP does not use: PUT, PURGE",
        ),
        (
            {"profile": "token", "messages": "http", "token_every_message": True},
            "has token_every_message with messages 'http'",
        ),
        (
            {"profile": "backend", "missing_origin": {"http": "refuse"}},
            "has missing_origin 'refuse' for http with the profile 'backend'",
        ),
        ({"profile": "token", "nonce_query": True}, "has nonce_query with the profile 'token'"),
        (
            {"profile": "backend", "local_scopes": ["x"], "require_nonce": True},
            "has local_scopes and require_nonce with the profile 'backend'",
        ),
        (
            {"profile": "local", "public_scopes": ["x"]},
            "lets somebody in without a token or the nonce, with the profile 'local'",
        ),
        (
            {"profile": "local", "forward_authorization": True},
            "lets somebody in without a token or the nonce, with the profile 'local'",
        ),
        (
            {"profile": "local", "local_scopes": ["x"], "require_nonce": True},
            "has local_scopes together with require_nonce",
        ),
        (
            {"profile": "local", "hosts": ["localhost:8000", "api.example.com:8000", "0.0.0.0"]},
            "has hosts that are not this machine's own: 0.0.0.0, api.example.com:8000",
        ),
        (
            {"profile": "local", "hosts": [".localhost"]},
            "has hosts that are not this machine's own: .localhost",
        ),
    ],
)
def test_what_cannot_hold_together_is_named_once(values, text):
    assert problems_of(values) == [(CONTRADICTION, f" {text}")]


@pytest.mark.parametrize(
    "values",
    [
        {"profile": "token", "any_origin": True},
        {"profile": "token", "forward_authorization": True},
        {"profile": "partner", "public_scopes": ["guest"], "token_every_message": True},
        {"profile": "public", "public_scopes": ["guest"]},
        {"profile": "backend", "missing_origin": {"ws": "bearer"}},
        {"profile": "same-origin", "token_header": "X-MCP-Auth-Token"},
        {"profile": "local", "local_scopes": ["x"], "nonce_query": True},
        {"profile": "local", "require_nonce": True, "hosts": ["[::1]:8000", "127.1.2.3", "localhost"]},
    ],
)
def test_what_holds_together_has_no_problem(values):
    assert problems_of(values) == []


def test_an_unknown_profile_contradicts_nothing():
    found = problems_of({"profile": "partners", "public_scopes": ["guest"], "any_origin": True})

    assert found == [(PROFILE, "['profile'] is 'partners', not a profile")]


def test_every_mistake_is_listed():
    guard = {"MAX_AGES": 3, "ENDPOINTS": {"a": {"profile": "x"}, "b": {"profile": "token", "hosts": ["*"]}}}

    assert [kind for kind, _ in problems(guard)] == [UNKNOWN, PROFILE, NO_HOSTS]


def test_a_mistake_stops_who_needs_the_setting_and_says_what_to_write():
    with override_settings(MCP_GUARD={"ENDPOINT": {}}), pytest.raises(ImproperlyConfigured) as raised:
        conf.config()

    assert str(raised.value) == (
        f"MCP_GUARD['ENDPOINT'] is not a setting. Known keys: {', '.join(sorted(conf.TOP_LEVEL_KEYS))}."
    )


def test_an_undeclared_endpoint_is_named_together_with_the_declared_ones():
    guard = {"ENDPOINTS": {"b": {"profile": "token"}, "a": {"profile": "token"}}}
    with override_settings(MCP_GUARD=guard), pytest.raises(ImproperlyConfigured) as raised:
        conf.endpoint("note")

    assert str(raised.value) == "MCP_GUARD declares no endpoint 'note'. Declared: a, b."


def test_without_the_setting_nothing_is_declared():
    with override_settings():
        del project.MCP_GUARD
        assert conf.config() == conf.Config({})
        with pytest.raises(ImproperlyConfigured, match="Declared: none"):
            conf.endpoint("notes")


def test_defaults_of_an_endpoint():
    guard = {"ENDPOINTS": {"e": {"profile": "partner"}}}
    with override_settings(MCP_GUARD=guard, ALLOWED_HOSTS=["api.example.com"]):
        config = conf.config()

    assert config == conf.Config(
        {"e": Endpoint("e", Profile.PARTNER, HostRules(names=frozenset({b"api.example.com"})))},
        max_age=10.0,
        poll_interval=1.0,
        token_days=90,
        token_max_days=90,
    )


def test_everything_that_is_said_arrives():
    endpoint = built(
        SAID,
        guard={"TRUSTED_PROXIES": ["10.0.0.0/8", "::1"], "ROOT_PATHS": ["/app"]},
        SESSION_COOKIE_NAME="s",
        CSRF_COOKIE_NAME="c",
    )

    assert endpoint == Endpoint(
        name="e",
        profile=Profile.TOKEN,
        hosts=HostRules(exact=frozenset({b"api.example.com:8443"})),
        methods=("POST",),
        missing_origin_http=MissingOrigin.REFUSE,
        missing_origin_ws=MissingOrigin.BEARER,
        any_origin=True,
        ws_credentials=frozenset({Carrier.MESSAGE}),
        token_every_message=True,
        token_header=b"x-mcp-auth-token",
        public_scopes=("guest",),
        require_tls=True,
        report_only_until=UNTIL.timestamp(),
        session_cookie=b"s",
        stripped_cookies=frozenset({b"s", b"c"}),
        trusted_proxies=(ip_network("10.0.0.0/8"), ip_network("::1")),
        root_paths=frozenset({"", "/app"}),
        extra_headers=("x-trace",),
        audit_calls=AuditCalls.CALLS,
        limits=Limits(2048, 1.5, 4096, 0.5, 7, 8192, 60, 600, 2, 20, 3, 4, 5, 65536, 6),
    )


def test_a_local_endpoint_has_the_hosts_of_this_machine_and_the_nonce():
    local = built(LOCAL)

    assert local.hosts == HostRules(names=frozenset({b"localhost", b"127.0.0.1", b"[::1]"}))
    assert (local.local_scopes, local.nonce_query, local.require_nonce) == (("guest",), True, False)
    assert built(STRICT).require_nonce is True
    assert built({"profile": "local", "hosts": ["localhost:8000"]}).hosts == HostRules({b"localhost:8000"})


@pytest.mark.parametrize("profile", ["backend", "local"])
def test_where_no_page_is_expected_a_socket_without_origin_needs_a_token(profile):
    assert built({"profile": profile}).missing_origin_ws is MissingOrigin.BEARER
    assert built({"profile": profile, "missing_origin": {"ws": "refuse"}}).missing_origin_ws is (
        MissingOrigin.REFUSE
    )


@pytest.mark.parametrize("named", ["~/nonce", "/run/user/1000/mcp/nonce"])
def test_the_nonce_file_has_a_whole_name(named):
    with override_settings(MCP_GUARD={"NONCE_FILE": named}):
        assert conf.config().nonce_file == named


@pytest.mark.parametrize("named", ["", "/", "~", "nonce", "a/nonce", "~eve/nonce", 7])
def test_a_file_that_is_no_nonce_file_is_a_mistake(named):
    text = f"MCP_GUARD['NONCE_FILE'] is {named!r}, not a file in a folder of its own"

    assert problems({"NONCE_FILE": named}) == [(MALFORMED, text)]


def test_authorization_is_forwarded_only_where_it_is_said():
    assert built({"profile": "token", "forward_authorization": True}).forward_authorization is True


def test_an_api_of_its_own_has_the_methods_of_http():
    endpoint = built({"messages": "http"})

    assert endpoint.messages is Messages.HTTP
    assert endpoint.methods == ("GET", "POST", "PUT", "PATCH", "DELETE")
    assert built({"messages": "http", "methods": ["GET", "PURGE"]}).methods == ("GET", "PURGE")


def test_a_date_without_an_offset_is_in_utc():
    day = datetime.now(UTC).date() + timedelta(days=3)

    until = built({"report_only": day.isoformat()}).report_only_until

    assert until == datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


@pytest.mark.parametrize("past", ["2001-01-01", "1960-01-01", "0001-01-01T00:00+14:00"])
def test_a_date_that_has_passed_reports_nothing(past):
    assert built({"report_only": past}).report_only_until < datetime.now(UTC).timestamp()


@pytest.mark.parametrize(
    ("named", "accepted", "refused"),
    [
        (
            ["api.example.com"],
            [b"api.example.com", b"api.example.com:8000"],
            [b"x.api.example.com", b"API.example.com", b"api.example.com.", b"api.example.com:"],
        ),
        ([".example.com"], [b"example.com", b"a.b.example.com:1"], [b"notexample.com", b"-a.example.com"]),
        (["api.example.com:8443"], [b"api.example.com:8443"], [b"api.example.com", b"api.example.com:443"]),
        (["[::1]"], [b"[::1]", b"[::1]:8000"], [b"::1", b"[::2]"]),
        (["*", "api.example.com"], [b"api.example.com"], [b"evil.example"]),
        (["API.Example.com"], [b"api.example.com"], [b"API.Example.com"]),
    ],
)
def test_hosts_come_from_allowed_hosts(named, accepted, refused):
    rules = hosts(*named)

    assert all(rules.accept(host) for host in accepted)
    assert not any(rules.accept(host) for host in refused)


def test_hosts_of_the_endpoint_replace_allowed_hosts():
    rules = built({"hosts": ["mcp.example.com"]}, ALLOWED_HOSTS=["www.example.com"]).hosts

    assert rules == HostRules(names=frozenset({b"mcp.example.com"}))


def test_without_allowed_hosts_debugging_takes_place_on_this_machine():
    rules = hosts(DEBUG=True)

    assert all(rules.accept(host) for host in (b"localhost:8000", b"a.localhost", b"127.0.0.1", b"[::1]:80"))
    assert not rules.accept(b"api.example.com")


@pytest.mark.parametrize("debug", [True, False])
def test_every_host_is_no_host(debug):
    found = problems_of({"profile": "token"}, ALLOWED_HOSTS=["*"], DEBUG=debug)

    assert found == [(NO_HOSTS, "['hosts'] names no host (from ALLOWED_HOSTS = ['*'])")]


def test_in_production_no_host_is_guessed():
    found = problems_of({"profile": "token"}, ALLOWED_HOSTS=[], DEBUG=False)

    assert found == [(NO_HOSTS, "['hosts'] names no host (from ALLOWED_HOSTS = [])")]


def test_a_host_that_the_environment_left_out_is_a_mistake_and_no_crash():
    found = problems_of({"profile": "token"}, ALLOWED_HOSTS=[None, "api.example.com"])

    assert found == [(MALFORMED, "['hosts'] names None, which is not a host")]


def test_the_script_name_is_a_root_path_too():
    assert built({}, FORCE_SCRIPT_NAME="/app").root_paths == {"", "/app"}
    assert built({}, FORCE_SCRIPT_NAME=None).root_paths == {""}


def test_the_setting_is_parsed_once():
    assert conf.parse() is conf.parse()


@pytest.mark.parametrize(
    ("name", "value", "read"),
    [
        ("MCP_GUARD", {"ENDPOINTS": {"other": {"profile": "token"}}}, lambda: conf.endpoint("other").name),
        ("ALLOWED_HOSTS", ["x.example"], lambda: conf.endpoint("tools").hosts),
        ("SESSION_COOKIE_NAME", "other", lambda: conf.endpoint("tools").session_cookie),
        ("CSRF_COOKIE_NAME", "other", lambda: conf.endpoint("tools").stripped_cookies),
        ("FORCE_SCRIPT_NAME", "/other", lambda: conf.endpoint("tools").root_paths),
    ],
)
def test_a_setting_that_changes_is_read_again(name, value, read):
    def now():
        try:
            return read()
        except ImproperlyConfigured:
            return None

    before = now()
    with override_settings(**{name: value}):
        assert now() != before
    assert now() == before


def test_debug_that_changes_is_read_again():
    with override_settings(ALLOWED_HOSTS=[], DEBUG=True):
        assert conf.endpoint("tools").hosts.accept(b"localhost")
        with override_settings(DEBUG=False):
            assert conf.parse().problems


def test_another_setting_leaves_what_was_parsed():
    before = conf.parse()

    with override_settings(TIME_ZONE="Europe/Berlin"):
        assert conf.parse() is before


def test_the_host_of_djangos_test_client_counts_though_no_signal_tells_of_it():
    with override_settings(ALLOWED_HOSTS=["api.example.com"]):
        assert not conf.endpoint("tools").hosts.accept(b"testserver")
        project.ALLOWED_HOSTS = [*project.ALLOWED_HOSTS, "testserver"]  # as setup_test_environment() does
        assert conf.endpoint("tools").hosts.accept(b"testserver")


def test_every_key_is_known():
    assert {*SAID, *LOCAL, *STRICT, "forward_authorization", "messages"} == set(conf.ENDPOINT_KEYS)
    assert set(SAID["limits"]) == set(Limits.__slots__)
    with override_settings(MCP_GUARD=dict.fromkeys(conf.TOP_LEVEL_KEYS)):
        assert UNKNOWN not in [problem.kind for problem in conf.parse().problems]
