"""The probe behind a Django view."""

from django.urls import path

from mcp_guard.mcp import mount
from tests.mcp.probe.server import server

in_django = mount(server, endpoint="notes-view")

urlpatterns = [path("django/mcp", in_django.as_view())]
