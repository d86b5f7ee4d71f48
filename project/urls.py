"""Routes of the demo site that Django serves."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from project.notes.mounts import in_django

mcp = in_django.as_view()

urlpatterns = [
    path("admin/", admin.site.urls),
    path("django/mcp", mcp),
    path("django/mcp/", mcp),
]
