"""``SHIP`` and ``ALERT_ON``: where audit events are shipped to, which ones, and which of them alert."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from django.conf import settings

from mcp_guard.conf.reader import Problem, ProblemKind, Reader, shown

DESTINATION_KEYS: Final = {
    "url": "where to, which also says how",
    "token_file": "file that holds the token for Authorization",
    "token_env": "environment variable that holds the token for Authorization",
    "token_scheme": "what stands before the token in Authorization",
    "ca_file": "certificates that the collector's is verified with",
    "cert_file": "certificate that the shipper presents",
    "key_file": "its private key",
    "body": "how events are put into one request",
    "batch": "most events in one request",
    "timeout": "seconds that one batch may take as a whole",
    "events": "which events are shipped",
    "alerts_only": "whether only events that alert are shipped",
}
"""Every key of a destination and what it is; the documentation is checked against it."""

RULE_KEYS: Final = {
    "category": "category of the event",
    "tag": "what happened; may end in *",
    "outcome": "outcome of the event",
}
"""Every key of a rule that chooses events."""

CATEGORIES: Final = ("policy", "token", "socket", "authentication", "refusal", "call", "server", "audit")
"""The categories of events, as ``AuditEvent.Category`` has them."""


class Protocol(Enum):
    """How events get to a collector; the value is the scheme of the URL."""

    HTTPS = "https"
    HTTP = "http"
    SYSLOG_UDP = "syslog+udp"
    SYSLOG_TCP = "syslog+tcp"
    SYSLOG_TLS = "syslog+tls"

    @property
    def is_http(self) -> bool:
        """Whether events are posted, as JSON; the others send CEF."""
        return self in (Protocol.HTTPS, Protocol.HTTP)

    @property
    def is_encrypted(self) -> bool:
        """Whether TLS keeps events from being read and altered on their way."""
        return self in (Protocol.HTTPS, Protocol.SYSLOG_TLS)


PORTS: Final = {
    Protocol.HTTPS: 443,
    Protocol.HTTP: 80,
    Protocol.SYSLOG_UDP: 514,  # RFC 5426 section 3.3
    Protocol.SYSLOG_TCP: 601,  # RFC 6587 appendix A
    Protocol.SYSLOG_TLS: 6514,  # RFC 5425 section 4.1
}
"""The port of each where the URL names none."""


class Body(Enum):
    """How events are put into one request."""

    NDJSON = "ndjson"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Rule:
    """Chooses the events of which everything that it names is true; empty names nothing."""

    category: str = ""
    tag: str = ""
    outcome: str = ""

    def chooses(self, category: str, tag: str, outcome: str) -> bool:
        """Return whether an event with these values is chosen."""
        if self.tag.endswith("*"):
            has_tag = tag.startswith(self.tag[:-1])
        else:
            has_tag = self.tag in ("", tag)
        return has_tag and self.category in ("", category) and self.outcome in ("", outcome)


@dataclass(frozen=True, slots=True)
class Destination:
    """One collector. ``events`` is None where it gets all of them; texts are empty where nothing is set."""

    name: str
    protocol: Protocol
    url: str
    host: str
    port: int
    token_file: str = ""
    token_env: str = ""
    token_scheme: str = "Bearer"  # noqa: S105 (the name of a scheme)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    body: Body = Body.NDJSON
    batch: int = 500
    timeout: float = 30.0
    events: tuple[Rule, ...] | None = None
    alerts_only: bool = False

    @property
    def is_local(self) -> bool:
        """Whether what is sent there stays on this machine."""
        return is_loopback(self.host)


def destinations(reader: Reader) -> dict[str, Destination]:
    """Return what ``SHIP`` declares, by name; what cannot be used is a problem of the reader."""
    declared = reader.read("SHIP", {}, lambda v: isinstance(v, dict), "a dict of destinations")
    found: dict[str, Destination] = {}
    for name, values in declared.items():
        where = f"{reader.where}['SHIP'][{name!r}]"
        inner = Reader(where, values if isinstance(values, dict) else {})
        if not (isinstance(name, str) and name.isidentifier() and name.isascii() and len(name) <= 63):
            text = "is not a name: letters, digits and _, at most 63"
            inner.problems.append(Problem(ProblemKind.MALFORMED, where, text))
        elif not isinstance(values, dict):
            inner.problems.append(Problem(ProblemKind.MALFORMED, where, f"is {shown(values)}, not a dict"))
        else:
            made = _destination(name, inner)
            found |= {name: made} if made else {}
        reader.problems += inner.problems
    return found


def rules(reader: Reader, key: str) -> tuple[Rule, ...]:
    """Return a list of rules; empty when the key is absent."""
    values = reader.read(key, [], _is_list_of_dicts, "a list of dicts")
    where = f"{reader.where}[{key!r}]"
    found = [_rule(f"{where}[{index}]", value) for index, value in enumerate(values)]
    reader.problems += [problem for _, problem in found if problem]
    return tuple(rule for rule, problem in found if not problem)


def is_loopback(host: str) -> bool:
    """Return whether a host of a URL is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _destination(name: str, reader: Reader) -> Destination | None:
    reader.refuse_unknown(DESTINATION_KEYS)
    protocol, parts = _address(reader)
    text = {key: _text(reader, key) for key in DESTINATION_KEYS if key.endswith(("_file", "_env"))}
    scheme = _text(reader, "token_scheme", "Bearer", lambda v: v.isalnum() and v.isascii(), "one word")
    body = reader.choice("body", Body, Body.NDJSON)
    batch, timeout = reader.count("batch", 500, 1, 5000), reader.number("timeout", 30.0, 1, 300)
    chosen = rules(reader, "events") if "events" in reader.values else None
    alerts_only = reader.flag("alerts_only")
    if protocol is None or parts is None:
        return None
    _contradictions(reader, protocol, text)
    return Destination(
        name, protocol, str(reader.values["url"]), parts.hostname or "", parts.port or PORTS[protocol],
        token_scheme=scheme, body=body, batch=batch, timeout=timeout, events=chosen, alerts_only=alerts_only,
        **text,
    )  # fmt: skip


def _address(reader: Reader) -> tuple[Protocol | None, SplitResult | None]:
    """Return protocol and parts of the URL. A password in it is not repeated in the problem."""
    known = ", ".join(f"{protocol.value}://" for protocol in Protocol if protocol is not Protocol.HTTP)
    url = reader.values.get("url")
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        protocol = Protocol(parts.scheme)
        port_is_right = parts.port is None or parts.port > 0
    except ValueError:
        reader.wrong("url", f"is not a URL that begins with one of {known}")
        return None, None
    problem = _problem_of(protocol, parts) if port_is_right else "has port 0"
    if problem or not (isinstance(url, str) and url.isascii() and url.isprintable() and " " not in url):
        reader.wrong("url", problem or "holds characters that a URL has escaped")
        return None, None
    return protocol, parts


def _problem_of(protocol: Protocol, parts: SplitResult) -> str:
    if not parts.hostname:
        return "names no host"
    if parts.username is not None or parts.password is not None:
        return "holds a user or a password; put the token into token_file or token_env"
    if parts.fragment:
        return "has a fragment, which is never sent"
    if not protocol.is_http and (parts.path.strip("/") or parts.query):
        return "has a path, which syslog does not know"
    if protocol is Protocol.HTTP and not (settings.DEBUG and is_loopback(parts.hostname)):
        return "begins with http://, which only DEBUG allows, and only to this machine"
    return ""


def _contradictions(reader: Reader, protocol: Protocol, text: dict[str, str]) -> None:
    if text["token_file"] and text["token_env"]:
        hint = "Remove one of the two."
        reader.wrong("token_file", "is set together with token_env", hint, ProblemKind.CONTRADICTION)
    if bool(text["cert_file"]) != bool(text["key_file"]):
        hint = "A certificate is presented with both, or not at all."
        reader.wrong("cert_file", "and key_file go together", hint, ProblemKind.CONTRADICTION)
    unused = _unused_keys(protocol) & set(reader.values)
    for key in sorted(unused):
        text_ = f"has no meaning for {protocol.value}://"
        reader.wrong(key, text_, "Remove it.", ProblemKind.CONTRADICTION)


def _unused_keys(protocol: Protocol) -> set[str]:
    without_http = set() if protocol.is_http else {"token_file", "token_env", "token_scheme", "body"}
    return without_http | (set() if protocol.is_encrypted else {"ca_file", "cert_file", "key_file"})


def _rule(where: str, value: dict[Any, Any]) -> tuple[Rule, Problem | None]:
    known = f"A rule is a dict with some of {', '.join(RULE_KEYS)}, each a string."
    malformed = Problem(ProblemKind.MALFORMED, where, f"is {shown(value)}, not a rule", known)
    if not value or not all(isinstance(text, str) and text for text in value.values()):
        return Rule(), malformed
    if not value.keys() <= RULE_KEYS.keys():
        return Rule(), malformed
    rule = Rule(**value)
    if rule.category and rule.category not in CATEGORIES:
        hint = f"Categories: {', '.join(CATEGORIES)}."
        text = f"names the category {shown(rule.category)}, which does not exist"
        return rule, Problem(ProblemKind.MALFORMED, where, text, hint)
    if "*" in rule.tag[:-1]:
        text = f"has the tag {shown(rule.tag)}; * may only be its last character"
        return rule, Problem(ProblemKind.MALFORMED, where, text)
    return rule, None


def _text(
    reader: Reader,
    key: str,
    default: str = "",
    accept: Callable[[str], bool] = lambda text: bool(text) and "\0" not in text,
    what: str = "a string that says something",
) -> str:
    if key not in reader.values:
        return default
    return str(reader.read(key, default, lambda v: isinstance(v, str) and accept(v), what))


def _is_list_of_dicts(value: object) -> bool:
    return isinstance(value, Sequence) and all(isinstance(each, dict) for each in value)
