"""The admin, and guarded views that crash with the request in their hands."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from mcp_guard.http.guarded import guarded


def crash(request):
    headers, body = dict(request.headers), request.body
    raise ValueError(f"{len(headers)} headers, {len(body)} bytes")


urlpatterns = [path("admin/", admin.site.urls), path("crash", guarded("tools")(crash))]
