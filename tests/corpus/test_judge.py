"""Every check of the judge has to be able to fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.corpus.__main__ import CASES
from tests.corpus.answer import Answer
from tests.corpus.case import Case, CaseFile
from tests.corpus.judge import judge, log_problem
from tests.corpus.placeholders import Placeholders

FILE = CaseFile(CASES)
LISTED = "https://app.example.com"
REFUSAL = [("vary", "Origin"), ("cache-control", "no-store"), ("www-authenticate", "Bearer")]


def case(**changes):
    given = {"path": "/mcp/tools", "headers": [["Origin", LISTED]]} | changes.pop("given", {})
    plain = Case(
        id="made-up-001",
        surface="http",
        policy="std",
        given=given,
        expected="refuse",
        status=[401],
        close=[],
        headers={},
        must=[],
        must_not=[],
        handler_runs=0,
        by_server={},
        unreachable_on=[],
        note="",
        source="",
    )
    return replace(plain, **changes)


def answer(status=401, headers=REFUSAL, body=b"", **changes):
    return Answer(status=status, headers=list(headers), body=body, raw=body, **changes)


SOCKET = {"surface": "ws", "status": [101]}
PREFLIGHT = {
    "surface": "preflight",
    "expected": "allow",
    "status": [204],
    "given": {"headers": [["Origin", LISTED], ["Access-Control-Request-Method", "PUT"]]},
}
GRANT = [
    ("vary", "Origin"),
    ("access-control-allow-origin", LISTED),
    ("access-control-allow-methods", "GET, PUT"),
]


@pytest.mark.parametrize(
    ("expectation", "came"),
    [
        (case(), answer()),
        (case(expected="allow", status=[200]), answer(200, [("vary", "Accept, Origin")])),
        (case(**PREFLIGHT), answer(204, GRANT)),
        (case(**SOCKET, close=[4401]), answer(101, [], close=4401)),
        (case(**SOCKET, expected="allow", handler_runs=2), answer(101, [], handler_runs=2)),
        (case(must_not=["preflight-grant"]), answer()),
    ],
)
def test_what_is_expected_passes(expectation, came):
    assert judge(expectation, FILE, came) == []


@pytest.mark.parametrize(
    ("expectation", "came", "problem"),
    [
        (case(), answer(200, []), "status 200 is not one of"),
        (case(), answer(body=b"corpus-view-ran"), "the protected view ran"),
        (case(), answer(problems=["no reply"]), "no reply"),
        (case(), answer(headers=REFUSAL[1:]), "no Vary: Origin on a 401"),
        (case(expected="allow", status=[200]), answer(200, []), "no Vary: Origin on a 200"),
        (case(), answer(headers=REFUSAL[:1] + REFUSAL[2:]), "no Cache-Control: no-store"),
        (case(), answer(headers=REFUSAL[:2]), "no WWW-Authenticate: Bearer"),
        (case(), answer(headers=[*REFUSAL, ("access-control-allow-origin", "*")]), "Allow-Origin is ['*']"),
        (
            case(),
            answer(headers=[*REFUSAL, *[("access-control-allow-origin", LISTED)] * 2]),
            "Access-Control-Allow-Origin is",
        ),
        (
            case(),
            answer(headers=[*REFUSAL, ("access-control-allow-origin", "http://localhost:3000")]),
            "Access-Control-Allow-Origin is",
        ),
        (case(headers={"x": "1"}), answer(headers=[*REFUSAL, ("x", "2")]), "not exactly one '1'"),
        (case(headers={"vary": ["Origin", "Accept"]}), answer(), "without 'Accept'"),
        (case(must=["body:here"]), answer(), "the body does not contain 'here'"),
        (case(must_not=["body:here"]), answer(body=b"it is here"), "'here' in the answer"),
        (case(must_not=["header:vary"]), answer(), "has the header vary"),
        (
            case(must_not=["header-value:app"]),
            answer(headers=[*REFUSAL, ("access-control-allow-origin", LISTED)]),
            "'app' in",
        ),
        (
            case(must_not=["response-body-reflects-input"]),
            answer(body=LISTED.encode()),
            "the value of Origin is in the body",
        ),
        (case(**PREFLIGHT), answer(204, GRANT[:2]), "a browser would not go on"),
        (
            case(**PREFLIGHT | {"expected": "refuse"}, must_not=["preflight-grant"]),
            answer(204, GRANT),
            "a browser would go on",
        ),
        (case(**SOCKET, close=[4401]), answer(101, []), "close none: still open"),
        (case(**SOCKET, close=[4401]), answer(101, [], close="drop"), "close drop is not one of"),
        (case(**SOCKET, expected="allow"), answer(101, [], close=1000), "the socket was closed (1000)"),
        (case(**SOCKET), answer(101, [], handler_runs=1), "the protected handler ran 1 times, not 0"),
        (
            case(**SOCKET),
            answer(101, [("sec-websocket-protocol", "admin")]),
            "subprotocol ['admin'] was selected",
        ),
    ],
)
def test_what_is_wrong_is_said(expectation, came, problem):
    assert any(problem in said for said in judge(expectation, FILE, came))


def test_an_unknown_check_is_an_error_and_not_a_pass():
    with pytest.raises(ValueError, match="unknown check"):
        judge(case(must_not=["bdoy:typo"]), FILE, answer())


@pytest.mark.parametrize(
    "line", ["refused \x1b[31m", "two\rlines", "bidi \u202e", "next \x85", "raw \udcff", "sep \u2028"]
)
def test_a_control_character_in_the_log_is_found(line):
    assert log_problem(["log:raw-control-characters"], f"good\n{line}\n", Placeholders({}))


def test_a_token_in_the_log_is_found_and_not_repeated():
    problem = log_problem(["log:{good}"], "GET /?token=Secret\n", Placeholders({"{good}": "Secret"}))

    assert problem
    assert "Secret" not in problem


def test_a_clean_log_passes():
    checks = ["log:raw-control-characters", "log:{good}"]

    assert log_problem(checks, "a\tb ü\nnext\n", Placeholders({"{good}": "Secret"})) is None
