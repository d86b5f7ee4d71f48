"""Grants: exactly what they say, and nothing that any reader of a URI could take for it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcp_guard.policy.scopes import NO_GRANTS, GrantError, Operation, canonical, compile_grants

thoroughly = settings(max_examples=200, deadline=None)

_SEGMENTS = [
    "..",
    ".",
    "a",
    "%2e%2e",
    ".%2E",
    "..;x",
    "a%2f..",
    "..%5c",
    "..\\",
    "%252e%252e",
    "..?q",
    "..#f",
    "",
]


@thoroughly
@given(st.lists(st.sampled_from(_SEGMENTS), max_size=5).map("/".join))
def test_no_uri_climbs_out_of_its_prefix(rest: str):
    grants = compile_grants(["resources/read:note://host/docs/*"])
    uri = f"note://host/docs/{rest}"

    if grants.cover(Operation("resources/read", uri)):
        assert resolved(uri).startswith("note://host/docs")


def resolved(uri: str) -> str:
    """Return what the most obliging of servers would make of a URI."""
    for _ in range(3):
        for escape, character in (("%25", "%"), ("%2e", "."), ("%2f", "/"), ("%5c", "\\")):
            uri = uri.replace(escape, character).replace(escape.upper(), character)
    scheme, _, path = uri.replace("\\", "/").partition("://")
    found: list[str] = []
    for segment in path.partition("?")[0].partition("#")[0].split("/"):
        name = segment.partition(";")[0]
        if name == "..":
            found = found[:-1]
        elif name != ".":
            found.append(segment)
    return f"{scheme}://{'/'.join(found)}"


@given(st.text(min_size=1), st.text())
def test_no_grants_cover_free_methods_alone(method: str, name: str):
    operation = Operation(method, name)

    assert NO_GRANTS.cover(operation) is operation.is_free


@given(st.sampled_from(["tools/call:read_note", "resources/read:note://h/*", "logging/setLevel"]), st.text())
def test_more_grants_never_cover_less(grant: str, name: str):
    few, more = (
        compile_grants([grant]),
        compile_grants([grant, "prompts/get:summary", "resources/read:x://y/*"]),
    )
    for method in ("tools/call", "resources/read", "logging/setLevel"):
        operation = Operation(method, name or None)
        assert more.cover(operation) or not few.cover(operation)


@given(st.text(max_size=40))
def test_what_is_accepted_as_a_grant_stays_as_it_is(text: str):
    try:
        grant = canonical(text)
    except GrantError:
        return

    assert canonical(grant) == grant == text.strip()


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "type a grant"),
        ("*", "open everything"),
        ("*:x", "open everything"),
        ("tools/*", "not an MCP method"),
        ("tools/call:*", "only wildcard"),
        ("tools/call:read_*", "only wildcard"),
        ("tools/call:a/*", "end of a URI"),
        ("tools/call", "needs the name"),
        ("resources/read:*", "only wildcard"),
        ("resources/read:note*", "only wildcard"),
        ("resources/read:note://*", "end of a URI"),
        ("resources/read:note/*", "end of a URI"),
        ("resources/read:note://a/*/b/*", "only wildcard"),
        ("logging/setLevel:debug", "names nothing"),
        ("tools/call:a\u200bb", "invisible character"),
        ("tools/call:" + "a" * 300, "at most 300"),
    ],
)
def test_what_says_too_much_or_nothing_is_no_grant(text: str, why: str):
    with pytest.raises(GrantError) as caught:
        canonical(text)

    assert why in str(caught.value)
