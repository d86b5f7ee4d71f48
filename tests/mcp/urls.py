"""Routes of the tests of mounted views; the server object is set by the test."""

from __future__ import annotations

from django.urls import path

from mcp_guard.mcp import mount
from tests.mcp.recorder import recording_server

recorder = recording_server()
mounted = mount(recorder.server, endpoint="tools")

urlpatterns = [path("mcp", mounted.as_view())]
