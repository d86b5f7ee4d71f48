"""A response of Django is stamped as any answer is, and keeps whatever else its view has said."""

from __future__ import annotations

import pytest
from django.http import FileResponse, HttpResponse, HttpResponseBase, JsonResponse, StreamingHttpResponse

from mcp_guard.http.response import stamp
from mcp_guard.passage import Passage
from mcp_guard.policy.decision import Admitted, CorsGrant, Principal
from mcp_guard.policy.stamp import stamped_headers
from tests.live.heads import endpoint, head

PAGE = Admitted(Principal(client_id=1, client="acme"), CorsGrant(b"https://app.example.com", True))
ANYBODY = Admitted(Principal())


def without_type() -> HttpResponse:
    response = HttpResponse(status=204)
    del response.headers["Content-Type"]
    return response


RESPONSES = {
    "JSON": lambda: JsonResponse({}),
    "text": lambda: HttpResponse("x", content_type="text/plain"),
    "nothing": without_type,
    "file": lambda: FileResponse([b"x"], content_type="application/octet-stream"),
    "events": lambda: StreamingHttpResponse([b"x"], content_type="text/event-stream"),
    "varying": lambda: JsonResponse({}, headers={"Vary": "Accept", "Cache-Control": "public, max-age=1"}),
    "open": lambda: JsonResponse({}, headers={"Access-Control-Allow-Origin": "*", "X-Other": "1"}),
}


def said(response: HttpResponseBase) -> dict[str, str]:
    return {name.lower(): value for name, value in response.items()}


@pytest.mark.parametrize("admitted", [PAGE, ANYBODY], ids=["page", "anybody"])
@pytest.mark.parametrize("made", RESPONSES.values(), ids=RESPONSES)
def test_a_response_says_what_its_view_says_and_what_the_stamp_adds(policy, settings, made, admitted):
    settings.MCP_GUARD = {"ENDPOINTS": {"notes": {"profile": "partner"}}}
    shared = Passage("notes", head(endpoint("notes")), admitted)
    plain = [(name.lower().encode(), value.encode()) for name, value in made().items()]
    wanted = {name.decode(): value.decode() for name, value in stamped_headers(plain, admitted)}
    for _ in range(2):
        response = made()
        stamp(response, shared)
        assert said(response) == wanted
        response.headers["Vary"] = "changed by a middleware"
