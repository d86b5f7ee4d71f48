"""Warnings about origins that read like others: a table, and what holds for every text."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_guard.policy.lookalike import Doubt, Lookalikes, Warned, is_one_mistake, skeleton

APP = "https://app.example.com"
LISTED = [APP, "https://partner.test:8443", "https://xn--mnchen-3ya.example", "chrome-extension://abcd"]
LIKE_APP = {
    doubt: Warned(doubt, APP)
    for doubt in (Doubt.SAME_HOST, Doubt.CONFUSABLE, Doubt.ONE_LETTER, Doubt.CONTAINS)
}

TABLE = {
    # what is listed, or has nothing to do with it
    APP: [],
    "https://other.example.org": [],
    "https://deep.app.example.com": [],
    "chrome-extension://abcdefgh": [],
    "": [],
    "x": [],
    # the text alone
    "null": [Warned(Doubt.NULL)],
    "http://other.example.org": [Warned(Doubt.PLAIN_HTTP)],
    "https://other.example.org:8443": [Warned(Doubt.PORT)],
    "http://localhost:5173": [Warned(Doubt.PLAIN_HTTP), Warned(Doubt.LOCALHOST)],
    "https://dev.localhost": [Warned(Doubt.LOCALHOST)],
    "https://127.0.0.1": [Warned(Doubt.LOCALHOST)],
    "https://[::1]:9000": [Warned(Doubt.LOCALHOST)],
    "https://203.0.113.9": [Warned(Doubt.ADDRESS)],
    "https://[2001:db8::1]": [Warned(Doubt.ADDRESS)],
    "https://0x7f000001": [Warned(Doubt.ADDRESS)],
    "https://203.0.113.9:8443": [Warned(Doubt.ADDRESS), Warned(Doubt.PORT)],
    "https://xn--bcher-kva.example": [Warned(Doubt.PUNYCODE)],
    "https://xn--99999999999.example": [Warned(Doubt.PUNYCODE)],
    # the host of a listed one, under another scheme or port
    "http://app.example.com": [LIKE_APP[Doubt.SAME_HOST], Warned(Doubt.PLAIN_HTTP)],
    "https://app.example.com:444": [LIKE_APP[Doubt.SAME_HOST], Warned(Doubt.PORT)],
    # reads like a listed one
    "https://app.examp1e.com": [LIKE_APP[Doubt.CONFUSABLE]],
    "https://app.exarnple.com": [LIKE_APP[Doubt.CONFUSABLE]],
    "https://xn--pp-6kc.example.com": [
        LIKE_APP[Doubt.CONFUSABLE], Warned(Doubt.PUNYCODE), Warned(Doubt.MIXED_SCRIPTS),
    ],
    "https://munchen.example": [Warned(Doubt.CONFUSABLE, LISTED[2])],
    # one mistake away
    "https://apps.example.com": [LIKE_APP[Doubt.ONE_LETTER]],
    "https://ap.example.com": [LIKE_APP[Doubt.ONE_LETTER]],
    "https://app.exampel.com": [LIKE_APP[Doubt.ONE_LETTER]],
    "https://app-example.com": [LIKE_APP[Doubt.ONE_LETTER]],
    # has a listed one inside
    "https://app.example.com.evil.test": [LIKE_APP[Doubt.CONTAINS]],
    "https://login.app.example.com.evil.test": [LIKE_APP[Doubt.CONTAINS]],
    # scripts
    "https://xn--80ak6aa92e.com": [Warned(Doubt.PUNYCODE)],
    "https://xn--gogle-rce.test": [Warned(Doubt.PUNYCODE), Warned(Doubt.MIXED_SCRIPTS)],
}  # fmt: skip


@pytest.mark.parametrize("origin", TABLE)
def test_warnings(origin):
    found = Lookalikes(LISTED).warnings(origin)

    assert list(found) == TABLE[origin]


def test_nothing_resembles_anything_while_nothing_is_listed():
    assert Lookalikes([]).warnings("https://app.examp1e.com") == ()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("abc", "abc", False),
        ("abc", "abcd", True),
        ("abcd", "bcd", True),
        ("abc", "axc", True),
        ("abc", "acb", True),
        ("abcd", "badc", False),
        ("abc", "cba", False),
        ("ab", "abcd", False),
        ("", "a", True),
        ("", "", False),
        ("abc", "xyc", False),
    ],
)
def test_one_mistake(one, other, expected):
    assert is_one_mistake(one, other) is expected
    assert is_one_mistake(other, one) is expected


@given(st.text(max_size=400), st.lists(st.text(max_size=60), max_size=5))
def test_every_text_has_an_answer(origin, listed):
    for warned in Lookalikes(listed).warnings(origin):
        assert isinstance(warned, Warned)
        assert warned.like == "" or warned.like in listed


HOSTS = st.text(string.ascii_lowercase + "-", min_size=4, max_size=20).map(lambda name: f"{name}.example")


@given(HOSTS, st.integers(0, 30), st.sampled_from(string.ascii_lowercase), st.sampled_from("idrs"))
def test_every_mistake_of_one_letter_is_found(host, place, letter, kind):
    place %= len(host)
    other = {
        "i": host[:place] + letter + host[place:],
        "d": host[:place] + host[place + 1 :],
        "r": host[:place] + letter + host[place + 1 :],
        "s": host[:place] + host[place : place + 2][::-1] + host[place + 2 :],
    }[kind]
    found = {warned.doubt for warned in Lookalikes([f"https://{host}"]).warnings(f"https://{other}")}

    assert bool(found & {Doubt.ONE_LETTER, Doubt.CONFUSABLE}) is (host != other)


@given(HOSTS)
def test_a_listed_origin_resembles_nothing(host):
    origin = f"https://{host}"

    assert not any(warned.like for warned in Lookalikes([origin, APP]).warnings(origin))


def test_letters_of_other_scripts_and_digits_read_like_latin_ones():
    greek_o, cyrillic_a = "g\u03bfogle", "p\u0430yp\u0430l"

    assert skeleton("g00gle") == skeleton(greek_o) == skeleton("google")
    assert skeleton("PAYPA1") == skeleton(cyrillic_a) == skeleton("paypai")
