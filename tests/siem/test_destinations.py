"""``SHIP`` and ``ALERT_ON`` of the settings: what they declare, and what is wrong with them."""

from __future__ import annotations

import pytest
from django.test import override_settings

from mcp_guard import conf
from mcp_guard.conf import ProblemKind
from mcp_guard.conf.destinations import CATEGORIES, Protocol, Rule
from mcp_guard.models import AuditEvent

URL = "https://collector.example.com/events"
WHERE = "MCP_GUARD['SHIP']['siem']"


def parsed(*, debug=False, **guard):
    with override_settings(MCP_GUARD=guard, DEBUG=debug):
        return conf.parse()


def problems(values, *, debug=False):
    return [(p.where, p.text) for p in parsed(debug=debug, SHIP={"siem": values}).problems]


def destination(**values):
    found = parsed(SHIP={"siem": values})
    assert found.problems == ()
    return found.ship["siem"]


@pytest.mark.parametrize(
    ("url", "protocol", "host", "port"),
    [
        (URL, Protocol.HTTPS, "collector.example.com", 443),
        ("https://[2001:db8::1]:8443/x?source=guard", Protocol.HTTPS, "2001:db8::1", 8443),
        ("syslog+udp://10.0.0.9", Protocol.SYSLOG_UDP, "10.0.0.9", 514),
        ("syslog+tcp://10.0.0.9:1514/", Protocol.SYSLOG_TCP, "10.0.0.9", 1514),
        ("syslog+tls://logs.example.com", Protocol.SYSLOG_TLS, "logs.example.com", 6514),
    ],
)
def test_a_url_says_how_and_where_to(url, protocol, host, port):
    found = destination(url=url)

    assert (found.name, found.protocol, found.host, found.port) == ("siem", protocol, host, port)
    assert (found.batch, found.timeout, found.events, found.alerts_only) == (500, 30.0, None, False)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        (None, "is not a URL that begins with one of"),
        ("", "is not a URL that begins with one of"),
        ("collector.example.com", "is not a URL that begins with one of"),
        ("ftp://collector.example.com", "is not a URL that begins with one of"),
        ("https://[::1", "is not a URL that begins with one of"),
        ("https://x:99999/", "is not a URL that begins with one of"),
        ("https:///events", "names no host"),
        ("https://x:0/", "has port 0"),
        ("https://x/#y", "has a fragment, which is never sent"),
        ("https://x/a b", "holds characters that a URL has escaped"),
        ("https://x/é", "holds characters that a URL has escaped"),
        ("syslog+tls://x/path", "has a path, which syslog does not know"),
        (
            "http://collector.example.com/",
            "begins with http://, which only DEBUG allows, and only to this machine",
        ),
        ("http://127.0.0.1/", "begins with http://, which only DEBUG allows, and only to this machine"),
    ],
)
def test_a_url_that_cannot_be_used_is_told(url, text):
    [(where, found)] = problems({"url": url})

    assert where == f"{WHERE}['url']"
    assert found.startswith(text)


@pytest.mark.parametrize(
    "url", ["https://jo:hunter2@x/", "https://hunter2@x/", "https://jo:hunter2@x:99999/"]
)
def test_a_password_in_a_url_is_refused_and_not_repeated(url):
    [(_, text)] = problems({"url": url})

    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("url", "is_right"),
    [
        ("http://127.0.0.1:9/", True),
        ("http://[::1]/", True),
        ("http://localhost/", True),
        ("http://x/", False),
    ],
)
def test_plain_http_is_for_debug_and_this_machine(url, is_right):
    assert (problems({"url": url}, debug=True) == []) == is_right
    assert problems({"url": url}, debug=False) != []


@pytest.mark.parametrize(
    ("values", "where", "text"),
    [
        ({"urls": "x"}, "['urls']", "is not a setting"),
        ({"token": "hunter2"}, "['token']", "is not a setting"),
        ({"batch": 0}, "['batch']", "is 0, not a whole number from 1 to 5000"),
        ({"timeout": 0.5}, "['timeout']", "is 0.5, not a number from 1 to 300"),
        ({"body": "xml"}, "['body']", "is 'xml', not one of 'ndjson', 'json'"),
        ({"token_file": ""}, "['token_file']", "is '', not a string that says something"),
        ({"token_scheme": "Be arer"}, "['token_scheme']", "is 'Be arer', not one word"),
        ({"events": "all"}, "['events']", "is 'all', not a list of dicts"),
        ({"events": [{}]}, "['events'][0]", "is {}, not a rule"),
        ({"events": [{"tags": "x"}]}, "['events'][0]", "is {'tags': 'x'}, not a rule"),
        ({"events": [{"tag": "*x"}]}, "['events'][0]", "has the tag '*x'; * may only be its last character"),
        ({"alerts_only": 1}, "['alerts_only']", "is 1, not True or False"),
        ({"token_file": "a", "token_env": "B"}, "['token_file']", "is set together with token_env"),
        ({"cert_file": "a"}, "['cert_file']", "and key_file go together"),
    ],
)
def test_a_mistake_is_told_with_its_place(values, where, text):
    assert problems({"url": URL} | values) == [(f"{WHERE}{where}", text)]


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("syslog+tls://x", "token_file"),
        ("syslog+udp://x", "body"),
        ("syslog+tcp://x", "ca_file"),
        ("syslog+udp://x", "token_scheme"),
    ],
)
def test_what_has_no_meaning_is_a_contradiction(url, key):
    values = {"url": url, key: "ndjson" if key == "body" else "x"}
    found = parsed(SHIP={"siem": values}).problems

    assert [(p.kind, p.where) for p in found] == [(ProblemKind.CONTRADICTION, f"{WHERE}['{key}']")]


@pytest.mark.parametrize("name", ["", "a b", "é", "x" * 64, 3, "a-b"])
def test_a_name_is_one_word(name):
    [problem] = parsed(SHIP={name: {"url": URL}}).problems

    assert problem.text == "is not a name: letters, digits and _, at most 63"


@pytest.mark.parametrize("value", [[], "x", None])
def test_what_is_no_dict_is_told(value):
    assert len(parsed(SHIP=value).problems) == 1
    assert len(parsed(SHIP={"siem": value}).problems) == 1


@pytest.mark.parametrize(
    ("rule", "chosen"),
    [
        (Rule(), True),
        (Rule(category="token"), True),
        (Rule(category="policy"), False),
        (Rule(tag="token:revoke"), True),
        (Rule(tag="token:*"), True),
        (Rule(tag="*"), True),
        (Rule(tag="token"), False),
        (Rule(tag="token:revoke*"), True),
        (Rule(outcome="ok"), True),
        (Rule(outcome="o"), False),
        (Rule("token", "token:*", "ok"), True),
        (Rule("token", "token:*", "error"), False),
    ],
)
def test_a_rule_chooses_what_it_names(rule, chosen):
    assert rule.chooses("token", "token:revoke", "ok") is chosen


def test_rules_are_read():
    found = parsed(ALERT_ON=[{"category": "call", "outcome": "error"}, {"tag": "token:*"}])

    assert found.problems == ()
    assert found.alert_on == (Rule(category="call", outcome="error"), Rule(tag="token:*"))


def test_a_rule_about_a_category_that_does_not_exist_is_told():
    [problem] = parsed(ALERT_ON=[{"tag": "x"}, {"category": "tokens"}]).problems

    assert problem.where == "MCP_GUARD['ALERT_ON'][1]"
    assert problem.text == "names the category 'tokens', which does not exist"
    assert problem.hint.startswith("Categories: policy, ")


def test_the_categories_are_those_of_events():
    assert sorted(CATEGORIES) == sorted(AuditEvent.Category.values)
