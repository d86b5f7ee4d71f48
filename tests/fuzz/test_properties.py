"""The properties under Hypothesis; ``MCP_GUARD_EXAMPLES`` says how many examples each test takes."""

from __future__ import annotations

import json
import os
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mcp_guard.policy.scopes import NAMED_BY, GrantError, Operation, canonical, compile_grants
from mcp_guard.policy.templates import makes
from tests.fuzz import properties
from tests.fuzz.seeds import ANSWERS, MESSAGES, SEEDS

EXAMPLES = int(os.environ.get("MCP_GUARD_EXAMPLES", "100"))
examples = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
)

ALPHABET = 'ab/:*.{}+?#%2e"\\\n\u00e9\u2028\U0001f600'
texts = st.text(ALPHABET, max_size=8) | st.sampled_from(
    ["a", "read_note", "summary", "note://public/a", "note://public/../x", "note://{a}/b", "note://a/b", ".."]
)
scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts
keys = texts | st.sampled_from(
    ["name", "uri", "uriTemplate", "tools", "prompts", "resources", "type", "ref", "_meta"]
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def changed(draw: Any, documents: list[Any]) -> Any:
    """Return a document with up to two of its members changed, dropped or added."""
    document = json.loads(json.dumps(draw(st.sampled_from(documents))))
    for _ in range(draw(st.integers(0, 2))):
        node = document
        while isinstance(node, dict | list) and node and draw(st.booleans()):
            inner = [
                one
                for one in (node.values() if isinstance(node, dict) else node)
                if isinstance(one, dict | list)
            ]
            if not inner:
                break
            node = draw(st.sampled_from(inner))
        if isinstance(node, dict):
            node[draw(st.sampled_from(sorted(node)) | keys if node else keys)] = draw(values)
        else:
            node.append(draw(values))
    return document


@st.composite
def cut_up(draw: Any) -> bytes:
    """Return a seed with some of its bytes replaced."""
    seed = draw(st.sampled_from(SEEDS))
    at = draw(st.integers(0, len(seed)))
    scrap = draw(
        st.binary(max_size=6)
        | st.sampled_from([b'"tools":', b"\\u0074", b"\r\n", b"\n\n", b"data:", b"{", b"]", b"1e999"])
    )
    return seed[:at] + scrap + seed[at + draw(st.integers(0, 6)) :]


@examples
@given(changed(MESSAGES))
def test_messages_are_judged_by_what_is_in_them(document: Any):
    properties.check_message(json.dumps(document).encode())


@examples
@given(changed(ANSWERS))
def test_answers_show_what_may_be_used(document: Any):
    properties.check_answer(json.dumps(document, ensure_ascii=False).encode("utf-8", "replace"))


@examples
@given(cut_up() | st.binary(max_size=80))
def test_anything_is_read_in_one_way(raw: bytes):
    properties.check(raw)


segments = st.sampled_from(["a", "b", "..", ".", "%2e", "public", "x y", ""])
uris = st.lists(segments, max_size=4).map(lambda parts: "note://" + "/".join(parts))
grant_texts = st.one_of(
    st.builds("{}:{}".format, st.sampled_from(sorted(NAMED_BY)), texts | uris | uris.map("{}/*".format)),
    st.sampled_from(["logging/setLevel", "http:GET", "*", "tools/call:*"]),
    texts,
)
operations = st.tuples(
    st.sampled_from([*NAMED_BY, "logging/setLevel", "ping", "x:y"]), st.none() | texts | uris
).map(lambda pair: Operation(*pair))


@examples
@given(st.lists(grant_texts, max_size=4), operations)
def test_grants_open_what_they_say(typed: list[str], operation: Operation):
    accepted = []
    for text in typed:
        try:
            accepted.append(canonical(text))
        except GrantError:
            continue
    grants = compile_grants(accepted)
    if not operation.is_free and grants.cover(operation):
        assert properties.is_opened(operation, grants)
        assert grants.opener(operation) in accepted
    assert not grants.cover(operation) or compile_grants([*accepted, "prompts/get:p"]).cover(operation)


expressions = st.sampled_from(
    [("{a}", False), ("{+a}", True), ("{a*}", True), ("{/a}", True), ("{?a}", True)]
)
pieces = st.lists(
    st.tuples(st.sampled_from(["note://", "/", "a", "b/", "public/"]), st.none() | expressions), max_size=4
)
fillings = st.lists(
    st.sampled_from(["", "a", "public", "a/b", "/x", "?q=1", "public/x"]), min_size=4, max_size=4
)


@examples
@given(pieces, fillings, st.integers(0, 40))
def test_no_uri_that_a_template_makes_is_missed(parts: Any, filled: list[str], length: int):
    template = uri = ""
    for (literal, expression), filling in zip(parts, filled, strict=False):
        template, uri = template + literal, uri + literal
        if expression is not None:
            text, is_wide = expression
            template += text
            uri += filling if is_wide else filling.replace("/", "").replace("?", "")
    assert makes(template, uri, whole=True)
    assert makes(template, uri[:length], whole=False)
