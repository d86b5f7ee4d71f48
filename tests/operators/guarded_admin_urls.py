"""An admin behind the guarded endpoint ``api``, as no project should have it."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from mcp_guard.http.guarded import guarded_include

urlpatterns = [path("admin/", guarded_include((admin.site.urls[0], "admin"), endpoint="api"))]
