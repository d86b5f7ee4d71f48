"""A guarded view of the endpoint that the tests import a template for; it counts what got through."""

from __future__ import annotations

from django.http import JsonResponse
from django.urls import path

from mcp_guard.http.guarded import guarded

reached: list[str] = []
"""The clients whose requests reached the view."""


@guarded(endpoint="notes")
def view(request):
    reached.append(request.mcp_guard.principal.client)
    return JsonResponse({"jsonrpc": "2.0", "id": 1, "result": {}})


urlpatterns = [path("mcp", view)]
