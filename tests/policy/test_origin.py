"""Origins: what an operator types comes out as what a browser sends, or is refused with a reason."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_guard.policy.origin import (
    MAX_LENGTH,
    OriginError,
    OriginShape,
    canonical,
    classify,
    is_canonical,
)

thoroughly = settings(max_examples=200, deadline=None)

_LETTERS = (
    "abzABZ019-_xn\u00e4\u00df\u3002\uff0e\uff11\u200d\u0131"  # some become ASCII, some a dot, some nothing
)
_labels = st.text(_LETTERS, min_size=1, max_size=12)
_hosts = st.one_of(
    st.lists(_labels, min_size=1, max_size=4).map(".".join),
    st.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip)),
    st.sampled_from(
        ["localhost", "127.1", "0x7f.1", "2130706433", "[::ffff:192.0.2.1]", "[::1", "EXAMPLE.com"]
    ),
)
_ports = st.one_of(
    st.just(""), st.integers(0, 70000).map(":{}".format), st.sampled_from([":", ":080", ":\u0664"])
)
_schemes = st.sampled_from(["https", "http", "HTTPS", "ws", "file", "chrome-extension", "tauri", "x+y", ""])
_tails = st.sampled_from(["", "", "", "/", "/x", "?x", "#x", " ", "\n", "@x", "\\", "%41"])
typed = st.one_of(
    st.text(max_size=40),
    st.tuples(_schemes, st.just("://"), _hosts, _ports, _tails).map("".join),
)


@thoroughly
@given(typed)
def test_what_is_accepted_is_what_a_browser_would_send(text: str):
    try:
        origin = canonical(text)
    except OriginError:
        return

    assert canonical(origin) == origin
    assert is_canonical(origin)
    assert origin.isascii()
    assert len(origin) <= MAX_LENGTH
    assert classify(origin.encode("ascii")) is OriginShape.SERIALIZED


@thoroughly
@given(st.binary(max_size=60) | typed.map(lambda text: text.encode("utf-8", "replace")))
def test_every_value_has_a_shape(value: bytes):
    shape = classify(value)

    assert (shape is OriginShape.NULL) is (value == b"null")


@given(st.ip_addresses(v=6))
@example(ipaddress.IPv6Address("::ffff:192.0.2.1"))
def test_an_ipv6_address_is_written_as_urls_are(address: ipaddress.IPv6Address):
    """https://url.spec.whatwg.org/#concept-ipv6-serializer: groups alone, never a dotted tail."""
    origin = canonical(f"http://[{address.exploded}]")

    assert "." not in origin
    assert ipaddress.ip_address(origin.removeprefix("http://[").removesuffix("]")) == address


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://app.example.com", "https://app.example.com"),
        ("  https://app.example.com\t", "https://app.example.com"),
        ("HTTPS://App.Example.COM", "https://app.example.com"),
        ("https://app.example.com:443", "https://app.example.com"),
        ("http://app.example.com:80", "http://app.example.com"),
        ("http://app.example.com:443", "http://app.example.com:443"),
        ("http://localhost:05173", "http://localhost:5173"),
        ("https://bücher.example", "https://xn--bcher-kva.example"),
        ("https://_dmarc.example", "https://_dmarc.example"),
        ("http://192.0.2.1", "http://192.0.2.1"),
        ("http://[2001:DB8:0:0:0:0:0:1]:8080", "http://[2001:db8::1]:8080"),
        ("http://[::ffff:192.0.2.1]", "http://[::ffff:c000:201]"),
        ("chrome-extension://ABCDEFGHijklmnop", "chrome-extension://abcdefghijklmnop"),
    ],
)
def test_a_form_that_means_one_origin_becomes_it(text: str, origin: str):
    assert canonical(text) == origin


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "type an origin"),
        ("null", "names nobody"),
        ("NULL", "names nobody"),
        ("*", "wildcards are not accepted"),
        ("https://*.example.com", "wildcards are not accepted"),
        ("https://a.example, https://b.example", "one origin only"),
        ("https://a.example https://b.example", "one origin only"),
        ("https://a.exam\u200bple", "invisible character"),
        ("app.example.com", "did you mean https://app.example.com?"),
        ("localhost:5173", "scheme is missing"),
        ("javascript:alert(1)", "has no origin of its own"),
        ("https://app.example.com/", "no “/” at its end"),
        ("https://app.example.com/path", "no path"),
        ("https://app.example.com?x", "no query"),
        ("https://app.example.com#x", "no fragment"),
        ("https://user@app.example.com", "no user name"),
        ("https://app%2eexample.com", "no percent escape"),
        ("https://a\\b", "no backslash"),
        ("wss://app.example.com", "type https:// instead"),
        ("ws://app.example.com", "type http:// instead"),
        ("file:///x", "send null"),
        ("ftp://app.example.com", "not a scheme pages come from"),
        ("1https://app.example.com", "not a URL scheme"),
        ("https://", "host is missing"),
        ("https://:80", "host is missing"),
        ("https://app.example.com.", "no dot at its end"),
        ("https://app..example.com", "not a host name"),
        ("https://-app.example.com", "not a host name"),
        ("https://" + "a" * 64 + ".example", "not a host name"),
        ("https://app.example.com:", "not a port"),
        ("https://app.example.com:x", "not a port"),
        ("https://app.example.com:0", "port 0 does not exist"),
        ("https://app.example.com:65536", "port 65536 does not exist"),
        ("https://app.example.com:\u0664", "not a port"),
        ("http://127.1", "not an IPv4 address"),
        ("http://0x7f.0.0.1", "not an IPv4 address"),
        ("http://2130706433", "not an IPv4 address"),
        ("http://[::1", "brackets"),
        ("http://[::g]", "not an IPv6 address"),
        ("http://[fe80::1%eth0]", "no percent escape"),
        ("https://fa\u00df.example", "xn-- form"),
        ("chrome-extension://", "fixed id"),
        ("chrome-extension://id:80", "fixed id"),
        ("https://" + "a." * 200 + "example", "at most"),
    ],
)
def test_everything_else_is_refused_with_its_reason(text: str, why: str):
    with pytest.raises(OriginError) as caught:
        canonical(text)

    assert why in str(caught.value)
    assert not is_canonical(text)
