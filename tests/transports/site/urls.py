"""Routes of the site: each endpoint of the table behind each kind of guarded view."""

from __future__ import annotations

from django.urls import include, path

from mcp_guard.http.guarded import guarded, guarded_include
from tests.rows.configurations import ENDPOINTS
from tests.transports.site import views

_included = [
    path("mcp", views.view),
    path("exit/<str:way>", views.view),
    path("slash/", views.view),
    path("nested/<str:way>/", include([path("deep", views.view)])),
]

urlpatterns = [
    path("report", views.report),
    *(
        route
        for name in ENDPOINTS
        for route in (
            path(f"view/{name}/mcp", guarded(name)(views.view)),
            path(f"view/{name}/exit/<str:way>", guarded(name)(views.view)),
            path(f"view/{name}/slash/", guarded(name)(views.view)),
            path(f"async/{name}/mcp", guarded(name)(views.async_view)),
            path(f"async/{name}/exit/<str:way>", guarded(name)(views.async_view)),
            path(f"async/{name}/slash/", guarded(name)(views.async_view)),
            path(f"include/{name}/", guarded_include(_included, name)),
        )
    ),
]
