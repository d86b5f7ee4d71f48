"""Views of Django REST framework behind the gate: what a token may do is an HTTP method."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers_of_others.server import Server, bearer, prepared
from tests.servers_of_others.servers import REST_FRAMEWORK

pytestmark = pytest.mark.packaging

ORDERS = "/orders/open/"


@pytest.fixture(scope="module")
def served(tmp_path_factory: Any) -> Iterator[Server]:
    with prepared(REST_FRAMEWORK, tmp_path_factory.mktemp("project")):
        yield REST_FRAMEWORK


@pytest.fixture(scope="module")
def tokens(served: Server) -> dict[str, str]:
    """Return one token for each of two grants; the one that may POST acts for a user."""
    create = "from django.contrib.auth import get_user_model; get_user_model().objects.create_user('ada')"
    served.manage("shell", "-v", "0", "-c", create)
    return {
        "GET": served.issue("orders", "http:GET"),
        "POST": served.issue("orders", "http:POST", "--user", "ada"),
    }


@pytest.mark.parametrize(
    ("method", "body", "user"), [("GET", None, ""), ("POST", {"item": 7}, "ada"), ("POST", [1], "ada")]
)
def test_a_token_with_the_grant_gets_in(served: Server, tokens: Any, method: str, body: Any, user: str):
    before = len(served.ran)
    answer = served.request(method, ORDERS, body, **bearer(tokens[method]))

    assert answer.status == 200, answer.body
    assert f'"user":"{user}"' in answer.body
    assert '"client":"of-' in answer.body
    assert served.ran[before:] == [method]


@pytest.mark.parametrize(
    ("status", "method", "headers", "of"),
    [
        (401, "GET", {}, None),
        (401, "POST", {}, None),
        (401, "GET", bearer("nonsense"), None),
        (403, "GET", {"Origin": "https://evil.example"}, "GET"),
        (403, "GET", {"Origin": "https://evil.example"}, None),
        (403, "POST", {}, "GET"),
        (403, "GET", {}, "POST"),
        (403, "DELETE", {}, "POST"),
        (415, "POST", {"Content_Type": "text/plain"}, "POST"),
        (415, "POST", {"Content_Type": "application/x-www-form-urlencoded"}, "POST"),
        (421, "GET", {"Host": "rebound.example"}, "GET"),
    ],
    ids=str,
)
def test_others_do_not(
    served: Server, tokens: Any, status: int, method: str, headers: dict[str, str], of: str | None
):
    before = len(served.ran)
    presented = headers | (bearer(tokens[of]) if of else {})
    body = {"item": 7} if method == "POST" else None

    assert served.request(method, ORDERS, body, **presented).status == status
    assert served.ran[before:] == []


def test_what_it_does_not_route_is_guarded_too(served: Server, tokens: Any):
    assert served.request("GET", "/orders/elsewhere/").status == 401
    assert served.request("GET", "/orders/elsewhere/", **bearer(tokens["GET"])).status == 404
