"""Views that django-oauth-toolkit protects: its tokens count, and the gate still judges where from."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.servers_of_others.server import Server, bearer, prepared
from tests.servers_of_others.servers import OAUTH_TOOLKIT

pytestmark = pytest.mark.packaging

_OAUTH_TOKENS = """
from datetime import timedelta
from django.contrib.auth import get_user_model
from django.utils import timezone
from oauth2_provider.models import AccessToken, Application
user = get_user_model().objects.create_user("ada")
application = Application.objects.create(
    name="app", user=user, client_type="confidential", authorization_grant_type="client-credentials"
)
for scope in ("read", "write"):
    AccessToken.objects.create(
        user=user, application=application, token=scope * 10, scope=scope,
        expires=timezone.now() + timedelta(days=1),
    )
"""
READS, WRITES = "read" * 10, "write" * 10

REPORTS = "/reports/daily/"


@pytest.fixture(scope="module")
def served(tmp_path_factory: Any) -> Iterator[Server]:
    with prepared(OAUTH_TOOLKIT, tmp_path_factory.mktemp("project")):
        OAUTH_TOOLKIT.manage("shell", "-v", "0", "-c", _OAUTH_TOKENS)
        yield OAUTH_TOOLKIT


@pytest.mark.parametrize(("method", "body"), [("GET", None), ("POST", {"day": 7})])
def test_its_own_token_gets_in(served: Server, method: str, body: Any):
    before = len(served.ran)
    answer = served.request(method, REPORTS, body, **bearer(READS))

    assert answer.status == 200, answer.body
    assert '"user":"ada"' in answer.body
    assert served.ran[before:] == [method]


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (401, {}),
        (401, bearer("nonsense")),
        (403, bearer(WRITES)),
        (403, bearer(READS) | {"Origin": "https://evil.example"}),
        (403, bearer(READS) | {"Origin": "null"}),
        (415, bearer(READS) | {"Content_Type": "text/plain"}),
        (421, bearer(READS) | {"Host": "rebound.example"}),
    ],
    ids=str,
)
def test_others_do_not(served: Server, status: int, headers: dict[str, str]):
    before = len(served.ran)

    assert served.request("POST", REPORTS, {"day": 7}, **headers).status == status
    assert served.ran[before:] == []
