"""One path, behind whoever authenticates in this stack."""

from __future__ import annotations

import os
from typing import Any

from django.conf import settings
from django.urls import path

from benchmarks.site import views
from mcp_guard.http.guarded import guarded

STACK = settings.STACK


def _view() -> Any:
    """Return the view: asynchronous where the process asks for it, if whoever authenticates knows such."""
    own = views.async_view if os.environ.get("MCP_GUARD_BENCHMARKS_ASYNC") == "1" else views.sync_view
    if STACK.auth == "guard":
        return guarded(endpoint="benchmarks")(own)
    if STACK.auth in ("drf", "knox", "api_key"):
        from benchmarks.site import rest

        return rest.view(STACK.auth)
    return own


urlpatterns = [path("mcp/", _view())]
