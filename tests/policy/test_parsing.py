"""Readers of headers take every value there is, and read no cookie otherwise than others do."""

from __future__ import annotations

import pytest
from django.http.cookie import parse_cookie
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mcp_guard.policy.credential import (
    bearer_text,
    cookie_pairs,
    query_has_token,
    session_key,
    token68,
    without_cookies,
)
from mcp_guard.policy.endpoint import HostRules
from mcp_guard.policy.headers import JOINED, PARAMETER, SINGLE, fold
from mcp_guard.tokens import PREFIX, SECRET_LENGTH, is_well_formed, mint
from tests.rows import world

thoroughly = settings(max_examples=150, deadline=None)

names = st.one_of(st.sampled_from(sorted({*SINGLE, *JOINED})), st.binary(max_size=12))
lines = st.lists(st.tuples(names, st.binary(max_size=20)), max_size=12)
_pairs = st.lists(
    st.tuples(
        st.text("\t \x0b\x0c\x1c\x1d\x1e\x1f\x85\xa0\"'", max_size=2),
        st.sampled_from(["sessionid", "csrftoken", "Sessionid", "theme", "", '"sessionid"']),
        st.text('= \t"\x1f\xa0', max_size=2),
        st.sampled_from(["a" * 32, "", '"quoted"', "a=b"]),
    ).map("".join),
    max_size=4,
)
cookies = st.one_of(st.binary(max_size=60), _pairs.map(lambda pairs: ";".join(pairs).encode("latin-1")))


@thoroughly
@given(lines)
def test_headers_fold_to_one_value_each(given_: list[tuple[bytes, bytes]]):
    folded = fold(given_)

    for name, value in folded.values.items():
        values = [one.strip(b" \t") for key, one in given_ if key == name]
        assert value == (JOINED[name].join(values) if name in JOINED else values[0])
    parameters = {key for key, _ in given_ if key.startswith(PARAMETER)}
    twice = [name for name in {*SINGLE, *parameters} if sum(key == name for key, _ in given_) > 1]
    assert (folded.defect is not None) is bool(twice)
    assert folded.values.keys() <= {*SINGLE, *JOINED, *parameters}


@pytest.mark.parametrize("name", sorted(SINGLE))
def test_a_second_header_that_decides_is_noticed(name: bytes):
    assert fold([(name, b"x"), (name, b"x")]).defect == f"second {name.decode()}"


@pytest.mark.parametrize("alias", [b"orig_in", b"Origin", b"origin ", b"x-origin", b"content_type"])
def test_names_that_look_alike_are_others(alias: bytes):
    assert fold([(alias, b"x")]).values == {}


@thoroughly
@given(st.binary(max_size=60))
def test_no_value_is_too_odd_to_read(value: bytes):
    text = bearer_text(value)
    assert text is None or (text.isascii() and " " not in text and text.encode() in value)
    assert token68(value) in (None, value.decode("latin-1"))
    assert query_has_token(value) in (True, False)
    key = session_key(value, b"sessionid")
    assert key is None or key.isascii()
    assert all(name + b"=" in value for name, _ in cookie_pairs(value))
    assert HostRules(frozenset(), frozenset({b"x"}), (b".x",)).accept(value) in (True, False)


@thoroughly
@given(cookies)
@example(b"sessionid=00000000;\x85sessionid=")
def test_a_session_key_is_what_django_would_read(cookie: bytes):
    key = session_key(cookie, b"sessionid")

    assert key is None or parse_cookie(cookie.decode("latin-1"))["sessionid"] == key


@thoroughly
@given(cookies)
def test_no_reader_finds_a_login_cookie_in_what_is_left(cookie: bytes):
    left = without_cookies(cookie, frozenset({b"sessionid", b"csrftoken"})).decode("latin-1")

    assert not {"sessionid", "csrftoken"} & parse_cookie(left).keys()
    assert not {"sessionid", "csrftoken"} & {pair.partition("=")[0].strip('" \t') for pair in left.split(";")}


@given(cookies)
def test_other_cookies_are_left_as_they_were(cookie: bytes):
    left = without_cookies(cookie, frozenset({b"sessionid", b"csrftoken"}))
    others = [pair for pair in cookie_pairs(cookie) if pair[0].strip() not in (b"sessionid", b"csrftoken")]
    kept = list(cookie_pairs(left))

    assert [pair for pair in others if pair[0] == b"theme"] == [pair for pair in kept if pair[0] == b"theme"]


def test_a_token_text_is_well_formed_only_with_its_checksum():
    text = mint()

    assert is_well_formed(text)
    assert len(text) == 54
    for position in range(5, len(text)):
        other = "0" if text[position] != "0" else "1"
        assert not is_well_formed(text[:position] + other + text[position + 1 :])
    assert is_well_formed(world.SERVER.text)


@pytest.mark.parametrize(("letter", "checksum"), [("0", "1Xr78G"), ("A", "0aOhgL"), ("z", "10YD37")])
def test_the_checksum_of_a_token_text_is_what_it_always_was(letter: str, checksum: str):
    assert is_well_formed(PREFIX + letter * SECRET_LENGTH + checksum)
