"""Compare what came back with what a case expects; an empty list means that it passed."""

from __future__ import annotations

import re
from typing import Any, Final

from tests.corpus.answer import Answer
from tests.corpus.case import Case, CaseFile
from tests.corpus.good import VIEW_RAN
from tests.corpus.placeholders import Placeholders

_UNSAFE_IN_LOG: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\udc80-\udcff]"
)
# sent with every request, and harmless in a body
_USUAL_HEADERS: Final = frozenset(
    {"host", "content-type", "upgrade", "connection", "sec-websocket-key", "sec-websocket-version"}
)
_SHORTEST_REFLECTION: Final = 4
_SIMPLE_METHODS: Final = frozenset({"GET", "HEAD", "POST"})


def judge(case: Case, file: CaseFile, answer: Answer) -> list[str]:
    """Return what is wrong with the answer to a case, except for its log checks."""
    wrong = list(answer.problems)
    if answer.status not in case.status:
        wrong.append(f"status {answer.status} is not one of {case.status}")
    if "admin_form" in case.given:
        return wrong
    if case.expected == "refuse" and VIEW_RAN in answer.raw + answer.body:
        wrong.append(f"the protected view ran ({VIEW_RAN.decode()} in the answer)")
    if answer.status == 101:
        wrong += _socket_problems(case, file, answer)
    if isinstance(answer.status, int):
        wrong += _header_problems(case, answer)
        if case.surface != "ws":
            wrong += _guard_problems(case, file, answer)
    for check in case.must:
        if check.removeprefix("body:").encode() not in answer.body:
            wrong.append(f"the body does not contain {check.removeprefix('body:')!r}")
    forbidden = [_forbidden(check, case, file, answer) for check in case.must_not]
    return wrong + [problem for problem in forbidden if problem]


def log_problem(checks: list[str], log: str, placeholders: Placeholders) -> str | None:
    """Return the first line of the log that breaks one of the log checks, without the secret in it."""
    for check in checks:
        if check == "log:raw-control-characters":
            lines = [line for line in log.split("\n") if _UNSAFE_IN_LOG.search(line)]
        else:
            name = check.removeprefix("log:")
            secret = placeholders.fill(name)
            lines = [line.replace(secret, name) for line in log.split("\n") if secret in line]
        if lines:
            return f"{check} in the log: {lines[0][:200]!r}"
    return None


def preflight_grants(case: Case, file: CaseFile, answer: Answer) -> bool:
    """Return whether a browser would go on with the request (WHATWG Fetch, without credentials)."""
    if not isinstance(answer.status, int) or not 200 <= answer.status <= 299:
        return False
    if answer.all("access-control-allow-origin") not in [["*"], _sent(case, file, "origin")]:
        return False
    methods = answer.tokens("access-control-allow-methods")
    for method in _sent(case, file, "access-control-request-method"):
        if method not in _SIMPLE_METHODS and method not in methods and "*" not in methods:
            return False
    allowed = [name.lower() for name in answer.tokens("access-control-allow-headers")]
    asked = ",".join(_sent(case, file, "access-control-request-headers"))
    for name in filter(None, (part.strip().lower() for part in asked.split(","))):
        if name not in allowed and ("*" not in allowed or name == "authorization"):
            return False
    return True


def _socket_problems(case: Case, file: CaseFile, answer: Answer) -> list[str]:
    wrong = []
    if case.close and answer.close not in case.close:
        came = "none: still open" if answer.close is None else answer.close
        wrong.append(f"close {came} is not one of {case.close}")
    if not case.close and case.expected != "refuse" and answer.close is not None:
        wrong.append(f"the socket was closed ({answer.close})")
    if case.handler_runs not in ("any", answer.handler_runs):
        wrong.append(f"the protected handler ran {answer.handler_runs} times, not {case.handler_runs}")
    chosen = answer.all("sec-websocket-protocol")
    if chosen and (len(chosen) > 1 or chosen[0] not in file.policies[case.policy]["subprotocols"]):
        wrong.append(f"subprotocol {chosen} was selected")
    return wrong


def _header_problems(case: Case, answer: Answer) -> list[str]:
    wrong = []
    for name, want in case.headers.items():
        have = answer.all(name)
        if isinstance(want, str):
            if have != [want]:
                wrong.append(f"header {name} is {have}, not exactly one {want!r}")
            continue
        joined = ", ".join(have).lower()
        wrong += [f"header {name} is {have}, without {part!r}" for part in want if part.lower() not in joined]
    return wrong


def _guard_problems(case: Case, file: CaseFile, answer: Answer) -> list[str]:
    """Return what does not hold although it holds for every answer of the guard."""
    wrong = []
    status = answer.status
    refused = status in (401, 403)
    shown = case.expected != "refuse" and case.path.startswith("/mcp")
    vary = {name.lower() for name in answer.tokens("vary")}
    if (refused or shown) and not {"origin", "*"} & vary:
        wrong.append(f"no Vary: Origin on a {status}")
    if refused and "no-store" not in ",".join(answer.all("cache-control")):
        wrong.append(f"no Cache-Control: no-store on a {status}")
    if status == 401 and "bearer" not in ",".join(answer.all("www-authenticate")).lower():
        wrong.append("no WWW-Authenticate: Bearer on a 401")
    shared = answer.all("access-control-allow-origin")
    listed = set(file.policies[case.policy]["origins"]) - {"null"}
    origins = _sent(case, file, "origin")
    if shared and (len(shared) > 1 or shared[0] not in listed or (origins and shared[0] not in origins)):
        wrong.append(f"Access-Control-Allow-Origin is {shared}")
    if (
        case.surface == "preflight"
        and case.expected == "allow"
        and 200 <= int(status) <= 299
        and not preflight_grants(case, file, answer)
    ):
        wrong.append("a browser would not go on after this preflight")
    return wrong


def _forbidden(check: str, case: Case, file: CaseFile, answer: Answer) -> str | None:
    what, _, value = check.partition(":")
    match what:
        case "header":
            return f"has the header {value}: {answer.all(value)}" if answer.all(value) else None
        case "header-value":
            found = [
                pair for pair in answer.headers if pair[0].startswith("access-control-") and value in pair[1]
            ]
            return f"{value!r} in {found}" if found else None
        case "body":
            return f"{value!r} in the answer" if value.encode() in answer.raw + answer.body else None
        case "preflight-grant":
            granted = preflight_grants(case, file, answer)
            return "a browser would go on after this preflight" if granted else None
        case "response-body-reflects-input":
            return _reflection(case.given["headers"], file, answer)
        case "log":
            return None  # see log_problem
    raise ValueError(f"unknown check {check!r}")


def _reflection(headers: list[list[Any]], file: CaseFile, answer: Answer) -> str | None:
    for name, text in headers:
        sent = file.text(text).encode("latin-1")
        if name.lower() not in _USUAL_HEADERS and len(sent) >= _SHORTEST_REFLECTION and sent in answer.body:
            return f"the value of {name} is in the body of the answer"
    return None


def _sent(case: Case, file: CaseFile, name: str) -> list[str]:
    headers = case.given.get("headers", [])
    return [file.text(value).strip(" \t") for key, value in headers if key.lower() == name]
