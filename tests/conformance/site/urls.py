"""Routes of the site that Django serves; the login page is where a starting server is asked for."""

from django.contrib import admin
from django.urls import path

from tests.conformance.site.mounts import viewed

urlpatterns = [path("admin/", admin.site.urls), path("django/mcp", viewed.as_view())]
